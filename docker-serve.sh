#!/bin/sh
# Run `evenkeel` in a container that is started again after every failure, but for two: after 65 a person must look first,
# after 78 what it was given is wrong. Of a program that serves both become 0 here, which `restart: on-failure` leaves ended.
child=
stopped=
trap 'stopped=yes; [ -z "$child" ] || kill -TERM "$child"' TERM INT # before there is a child: a stop may come at once
evenkeel "$@" &
child=$!
[ -z "$stopped" ] || kill -TERM "$child"
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do # a signal has ended the wait, not the child
  wait "$child"
  code=$?
done
case "$1/$code" in
watch/65 | work/65 | rehearse/65 | watch/78 | work/78 | rehearse/78)
  echo "evenkeel $1 ended with $code and is not started again: see the line above" >&2
  exit 0
  ;;
esac
exit "$code"
