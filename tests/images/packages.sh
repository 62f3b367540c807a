#!/usr/bin/env bash
# packages.sh   install ClamAV from Debian, once, and only where it is missing: without any signatures
exec "$(dirname "${BASH_SOURCE[0]}")/../debian.sh" clamav=/usr/bin/clamscan
