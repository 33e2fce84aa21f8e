"""An upstream that keeps what reaches it, byte for byte, and answers as it is told: well, or with given bytes."""

import socket
import threading

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
#: A request whose body does not come is given up after so long, so that no case waits for it.
BODY_SECONDS = 0.5


class Origin:
    def __init__(self):
        self.lock = threading.Lock()
        self.seen, self.answer = [], None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def answer_well(self):
        self.answer = None

    def answer_with(self, raw):
        self.answer = raw

    def heads(self):
        """The heads that came since the last call."""
        with self.lock:
            seen, self.seen = self.seen, []
        return seen

    def accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        pending = b""
        with stream:
            try:
                while True:
                    while b"\r\n\r\n" not in pending:
                        piece = stream.recv(65536)
                        if not piece:
                            return
                        pending += piece
                    head, pending = pending.split(b"\r\n\r\n", 1)
                    with self.lock:
                        self.seen.append(head)
                    pending = self.skip_body(stream, head.lower(), pending)
                    stream.sendall(GOOD if self.answer is None else self.answer)
                    if self.answer is not None:
                        return
            except OSError:
                return

    def skip_body(self, stream, head, pending):
        stream.settimeout(BODY_SECONDS)
        try:
            if b"\r\ntransfer-encoding: chunked" in head:
                while b"0\r\n" not in pending or not pending.endswith(b"\r\n\r\n"):
                    piece = stream.recv(65536)
                    if not piece:
                        raise OSError("ended within a body")
                    pending += piece
                return b""
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            while len(pending) < length:
                piece = stream.recv(65536)
                if not piece:
                    raise OSError("ended within a body")
                pending += piece
            return pending[length:]
        finally:
            stream.settimeout(None)
