"""`help`: show a command's help, or a page about what several commands have in common."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pipeline.errors import SettingsError
from streams.cli.console import out
from streams.process import CONFIGURATION, HALTED
from streams.yaml_positions import did_you_mean

TOPICS: Mapping[str, str] = {
    "settings": """\
Read from the environment, else from evenkeel.yaml in the current folder (lower
case, without the prefix), else from a devnet or broker in EVENKEEL_FOLDER. An
unknown EVENKEEL_ variable is an error.

  EVENKEEL_BROKER      host:port of the Kafka brokers, several with commas
  EVENKEEL_CHAIN_ID    the chain's id
  EVENKEEL_RPC_URL     the node's URL, several with commas; not shown in logs
  EVENKEEL_RPC_WS      a node's websocket, for notices of new blocks
  EVENKEEL_RPC_QUORUM  how many nodes must report a block (1 of two, 2 of more)
  EVENKEEL_RPC_PER_SECOND, EVENKEEL_RPC_PER_DAY
                       the most calls to each node; several with commas
  EVENKEEL_RPC_SHARE   the percentage of that for this process (100)
  EVENKEEL_PARTITIONS  number of shards, fixed at the first start (4)
  EVENKEEL_FOLDER      the folder for a run's files (.evenkeel)
  EVENKEEL_INSTANCE    name of this process: the same after a restart, another
                       for each worker (the host's name)
  EVENKEEL_CACHE       the folder for downloads (~/.cache/evenkeel)
  EVENKEEL_LOG_FORMAT  auto, console or json
  EVENKEEL_LOG_LEVEL   debug, info, warning or error

How to log in to the broker:

  EVENKEEL_KAFKA_SECURITY_PROTOCOL, EVENKEEL_KAFKA_SASL_MECHANISM,
  EVENKEEL_KAFKA_USER, EVENKEEL_KAFKA_PASSWORD_FILE, EVENKEEL_KAFKA_CA,
  EVENKEEL_KAFKA_CERTIFICATE, EVENKEEL_KAFKA_KEY

NO_COLOR turns colours off.""",
    "exit-codes": f"""\
   0  done
   1  an error, in one line; or a check that found something wrong
      (doctor, state verify, devnet status)
   2  the command line is wrong
  {HALTED}  a process has ended, and a person must find the cause before it is
      started again
  70  a worker has ended; start it again
  {CONFIGURATION}  a setting or file of a process is wrong; starting it again does not
      help
 130  ended by Ctrl-C""",
    "live": """\
A book sends transactions only if all of these say so:

  1. chain.live_on in the portfolio file repeats the chain's id
  2. the book's mode is live
  3. evenkeel apply --live (or evenkeel up --live)

and a signer runs, evenkeel submit SIGNER.yaml --live, whose file allows it.
How to stop it: evenkeel help stopping.""",
    "stopping": """\
From the weakest to the strongest:

  evenkeel pause book/ID
      one book; evenkeel resume book/ID ends it
  evenkeel drain
      all books, and waits until no intent is open
  evenkeel kill
      all books; what is signed may still be mined
  evenkeel kill --cancel
      all books; what is signed and not mined is cancelled
  evenkeel kill --local SIGNER.yaml
      one signer, by a stop file; needs no broker
  evenkeel submit --cancel-all SIGNER.yaml
      cancels waiting transactions with the key and a node alone

evenkeel resume ends a kill or a drain, evenkeel resume --local SIGNER.yaml
removes the file.""",
    "completion": """\
  evenkeel --install-completion

installs completion of commands, options, topics and books for your shell (bash,
zsh or fish). Books are those of portfolio.yaml in the current folder.
evenkeel --show-completion prints what is installed.""",
}


def help(  # noqa: A001 - the command is called so
    context: typer.Context,
    topic: Annotated[
        list[str] | None, typer.Argument(help=f"A command, or one of: {', '.join(TOPICS)}.")
    ] = None,
) -> None:
    """Explain a command or a topic."""
    words = topic or []
    if len(words) == 1 and words[0] in TOPICS:
        out().print(TOPICS[words[0]], markup=False, soft_wrap=True)
        return
    root = context.find_root()
    typer.echo(_command(root, words).get_help(), color=False)


def _command(context: Any, words: list[str]) -> Any:
    """Find the context of a command by its words. Raises: SettingsError with the nearest command or topic."""
    for word in words:
        group = context.command
        found = group.get_command(context, word) if hasattr(group, "list_commands") else None
        if found is None:
            known = [*group.list_commands(context), *TOPICS] if hasattr(group, "list_commands") else []
            raise SettingsError(f"there is no command or topic {word}{did_you_mean(word, known)}")
        context = found.make_context(word, [], parent=context, resilient_parsing=True)
    return context
