"""threads_work: what threads make travels through queues and is freed by others; threads come and
go. zlib and hashlib release the interpreter's lock. Every run prints the same."""
import hashlib
import queue
import sys
import threading
import zlib

scale = int(sys.argv[1])
THREADS = 6


def make(number, out):
    for step in range(120 * scale):
        words = [f"{number} {step} {index * 7919 % 997}" for index in range(150)]
        words.sort(reverse=True)
        out.put((number, step, zlib.compress("\n".join(words).encode(), 1 + step % 9)))
    out.put(None)


def check(work, results):
    total = 0
    while (item := work.get()) is not None:
        number, step, packed = item
        text = zlib.decompress(packed)
        assert text.startswith(f"{number} {step} 9".encode())
        total += zlib.crc32(hashlib.sha256(text).digest())
    results.put(total)


work, results = queue.Queue(50), queue.Queue()
makers = [threading.Thread(target=make, args=(number, work)) for number in range(THREADS)]
checkers = [threading.Thread(target=check, args=(work, results)) for _ in range(THREADS)]
for thread in makers + checkers:
    thread.start()
for thread in makers + checkers:
    thread.join()
print(sum(results.get() for _ in range(THREADS)))

# Short lives: each thread leaves a block behind that the next one but one frees.
left = {}


def live(number):
    left[number] = [bytearray(size) for size in range(0, 5000, 97)]
    left.pop(number - 2, None)


for number in range(300 * scale):
    thread = threading.Thread(target=live, args=(number,))
    thread.start()
    thread.join()
print(sorted(left), sum(len(block) for blocks in left.values() for block in blocks))
