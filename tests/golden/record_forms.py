"""`make golden-records`: write a record of each type and version that has none yet, and of the types that are named.

A record that stands is never written again by itself: what a release has written must stay readable. To name a type is right
only while no release has written its newest version; the older ones stay.
"""

import sys

from forms import golden_record, kinds, read_records, write_records


def main() -> None:
    named = set(sys.argv[1:])
    now = [golden_record(kind, family) for (_, family), kind in kinds().items()]
    new = {(each.name, each.family, each.version): each for each in now}
    anew = {key for key in new if key[0] in named}
    known = {(each.name, each.family, each.version): each for each in read_records()}
    kept = {key: each for key, each in known.items() if key not in anew}
    write_records(list((new | kept).values()))


if __name__ == "__main__":
    main()
