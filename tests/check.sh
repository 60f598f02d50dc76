#!/usr/bin/env bash
# Build and run all tests, on a sandbox of their own that is gone afterwards.
# Arguments go to pytest: tests/check.sh -k login
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

tests/setup.sh
trap 'tests/sandbox stop' EXIT
# What a demo may have left there is no ground for tests.
tests/sandbox stop

unit=0 system=0
make -C .build check || unit=1
/usr/bin/python3 -m pytest -p no:cacheprovider tests/system "$@" || system=1
if [ "$unit" -ne 0 ]; then
	echo "check: unit tests failed, see above" >&2
fi
exit $((unit | system))
