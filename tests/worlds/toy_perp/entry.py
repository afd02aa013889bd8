"""Evenkeel with the toy future: `entry.py watch`, `work` or `submit FILE` as the campaign runs them, or any other command line."""

import sys

from chaos_sender.entry import main as serve
from chaos_sender.points import PROCESSES

from streams.cli import main
from worlds.toy_perp.registered import register

if __name__ == "__main__":
    register()
    if sys.argv[1] in PROCESSES:
        serve()
    else:
        main()
