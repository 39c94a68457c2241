"""json_work: documents written, read again and compared; every run prints the same sums."""
import hashlib
import json
import random
import sys

scale = int(sys.argv[1])
choose = random.Random(20240607)


def document(depth):
    kind = choose.randrange(6 if depth else 4)
    if kind == 0:
        return choose.randrange(10 ** choose.randrange(1, 40))
    if kind == 1:
        return choose.random()
    if kind == 2:
        return "text \u00e9\u4e2d" * choose.randrange(60)
    if kind == 3:
        return choose.choice([None, True, False, ""])
    if kind == 4:
        return [document(depth - 1) for _ in range(choose.randrange(12))]
    return {f"key {number}": document(depth - 1) for number in range(choose.randrange(12))}


digest = hashlib.sha256()
size = 0
for number in range(60 * scale):
    before = [document(6) for _ in range(4)]
    for indent in (None, 1):
        text = json.dumps(before, indent=indent, sort_keys=bool(indent))
        assert json.loads(text) == before
        digest.update(text.encode())
        size += len(text)
print(size, digest.hexdigest())
