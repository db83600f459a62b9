"""A service manager's socket: prints every datagram as a line of JSON, with the sender's pid.

usage: supervisor.py PATH|@NAME; the first line says that it listens."""
import json
import os
import socket
import struct
import sys

name = sys.argv[1]
at = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
at.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
at.bind("\0" + name[1:] if name.startswith("@") else name)
print(json.dumps({"listening": name}), flush=True)
while os.getppid() != 1:
    text, ancillary, _, _ = at.recvmsg(4096, 256)
    pid = struct.unpack("3i", ancillary[0][2])[0]
    lines = [line.split("=", 1) for line in text.decode().splitlines()]
    print(json.dumps({"pid": pid, **dict(lines)}), flush=True)
