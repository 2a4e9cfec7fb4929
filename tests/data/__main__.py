"""``python -m tests.data FOLDER``: tiny data sets in the real on-disk formats, to try commands without a download."""

import sys
from pathlib import Path

from tests.data.samples import write_samples

if len(sys.argv) != 2:
    sys.exit(__doc__)
for path in write_samples(Path(sys.argv[1])):
    print(f"{sum(file.is_file() for file in path.rglob('*')):5d} files in {path}")
