# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# The load of the case nginx, ten times as long.
# shellcheck source=/dev/null
. "$real/cases/nginx.sh"
weight=heavy
seconds=300
requests=40000
