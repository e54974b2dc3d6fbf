import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from nomul.sw.allocator import keep_freed_memory
keep_freed_memory()
for step in range(22):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(1 << 19) for _ in range(6)]     # of 2 MiB
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's allocator")
def test_freed_blocks_are_taken_again_without_page_faults():
    result = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    # One round's pages of 4 KiB at the most; 20 rounds fault on all of theirs where memory goes back to the system.
    assert int(result.stdout) <= 6 * 2 * 256
