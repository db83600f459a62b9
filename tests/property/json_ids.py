"""For test_json_python.c: of each file named on stdin, whether Python's json reads it, and the ids of
the events in it, in hexadecimal. Envelopes have a line in front of the body."""
import json
import sys


def ids(body):
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return "no"
    events = value.get("events") if isinstance(value, dict) else None
    found = [e["id"] for e in events if isinstance(e, dict) and isinstance(e.get("id"), str)] \
        if isinstance(events, list) else []
    return " ".join(["yes"] + [i.encode("utf-8", "surrogatepass").hex() + "." for i in found])


for name in sys.stdin.read().split("\n")[:-1]:
    with open(name, "rb") as f:
        text = f.read()
    print(ids(text.partition(b"\n")[2] if "fuzz_envelope" in name else text))
