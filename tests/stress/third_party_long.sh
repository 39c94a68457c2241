#!/bin/sh
# third_party_long: real programs on our heaps with THIRD_PARTY_SCALE (20) times the work.
THIRD_PARTY_SCALE=${THIRD_PARTY_SCALE:-20} exec "$abs_top_srcdir/tests/stress/third_party.sh"
