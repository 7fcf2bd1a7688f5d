#!/bin/sh
# Starts weir with the libraries that came with it, whatever the system has.
here=$(dirname "$(readlink -f "$0")")/..
exec "$here"/lib/ld-linux*.so.* --argv0 weir --library-path "$here/lib" "$here/lib/weir" "$@"
