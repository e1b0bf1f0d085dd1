# SPDX-License-Identifier: Apache-2.0
"""A double of the Hugging Face Hub: an API and files on one host, a CDN with signed URLs on another.

It answers as the Hub does where a downloader looks: commits, ETags, redirects, LFS and plain files,
ranges, error codes. Faults are asked for by rule. The official client downloads from it too
(test_double.py), which is what keeps it honest.
"""
import gzip
import hashlib
import json
import re
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

TOKEN = "hf_good"
LFS_SUFFIXES = (".safetensors", ".bin", ".onnx", ".h5")


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def xet_hash(etag):
    return hashlib.sha256(b"xet" + etag.encode()).hexdigest()


class File:
    def __init__(self, path, data):
        self.path = path
        self.data = data
        self.lfs = path.endswith(LFS_SUFFIXES)
        self.oid = git_sha1(data)
        self.etag = hashlib.sha256(data).hexdigest() if self.lfs else self.oid
        self.size = len(data)  # what the list says; a test may make it a lie

    def entry(self):
        entry = {"type": "file", "oid": self.etag, "size": self.size, "path": self.path}
        if self.lfs:
            entry["oid"] = git_sha1(b"pointer to " + self.etag.encode())
            entry["lfs"] = {"oid": self.etag, "size": self.size, "pointerSize": 134}
            entry["xetHash"] = xet_hash(self.etag)
        return entry


class Repository:
    def __init__(self, files, access="public"):
        """`access`: public, private, gated, disabled."""
        self.access = access
        self.commits = {}
        self.refs = {}
        self.commit("main", files)

    def commit(self, ref, files):
        files = {path: File(path, data) for path, data in files.items()}
        digest = hashlib.sha1("".join(f"{ref}{p}{f.etag}" for p, f in sorted(files.items())).encode())
        self.refs[ref] = digest.hexdigest()
        self.commits[digest.hexdigest()] = files
        return digest.hexdigest()

    @property
    def head(self):
        return self.refs["main"]

    def file(self, path, ref="main"):
        return self.commits[self.refs[ref]][path]


class Rule:
    """What happens to the next `times` requests whose path matches, after `skip` of them."""

    def __init__(self, pattern, action, times, skip, **arguments):
        self.pattern = re.compile(pattern)
        self.action, self.times, self.skip = action, times, skip
        self.arguments = arguments

    def takes(self, path):
        if not self.times or not self.pattern.search(path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    # ---- Answers ----

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status, code, message, **headers):
        if code:
            headers["X_Error_Code"] = code
        self.answer(status, json.dumps({"error": message}).encode(), X_Error_Message=message,
                    Content_Type="application/json", X_Request_Id="Root=1-double", **headers)

    def send_data(self, data, rule=None, **headers):
        """With a range, throttled, cut or stalling as the rule says."""
        arguments = rule.arguments if rule else {}
        data = arguments.get("data", data)
        start, end, status = 0, len(data), 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and not arguments.get("ignore_range"):
            start, status = int(wanted.group(1)), 206
            if start >= len(data):
                self.answer(416, Content_Range=f"bytes */{len(data)}")
                return
            end = min(int(wanted.group(2) or end) + 1, len(data))
            headers["Content_Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        body = data[start:end]
        if arguments.get("gzip"):
            self.send_gzip(gzip.compress(body), status, arguments, headers)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = arguments.get("cut", len(body))
        rate = self.server.double.bytes_per_second
        step = max(1, rate // 50) if rate else 1 << 20
        for at in range(0, min(limit, len(body)), step):
            self.wfile.write(body[at:min(at + step, limit)])
            if rate:
                time.sleep(step / rate)
        if limit < len(body):
            self.wfile.flush()
            time.sleep(arguments.get("stall", 0))
            self.close_connection = True

    def send_gzip(self, body, status, arguments, headers):
        """In chunks and without a length, as the Hub sends text to those who take it compressed."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = arguments.get("cut", len(body))
        for at in range(0, min(limit, len(body)), 1000):
            piece = body[at:min(at + 1000, limit)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if limit < len(body):
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def send_endless(self, begin, bytes):
        self.wfile.write(begin)
        while True:
            self.wfile.write(bytes)

    # ---- Requests ----

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        double = self.server.double
        parts = urlsplit(self.path)
        rule = double.note(self)
        try:
            double.enter(self)
            if rule and rule.action == "status":
                self.fail(rule.arguments["status"], None, rule.arguments.get("message", "no"),
                          **rule.arguments.get("headers", {}))
            elif rule and rule.action == "redirect":
                self.answer(rule.arguments.get("status", 302),
                            Location=rule.arguments["to"].replace("SELF", self.path))
            elif rule and rule.action == "raw":
                self.wfile.write(rule.arguments["bytes"])
                self.close_connection = True
            elif rule and rule.action == "endless":
                self.send_endless(**rule.arguments)
            elif rule and rule.action == "json":
                self.answer(200, json.dumps(rule.arguments["value"]).encode(),
                            **rule.arguments.get("headers", {}))
            elif self.server is double.cdn:
                self.cdn(parts, rule)
            else:
                self.hub(unquote(parts.path), parts, rule)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True
        finally:
            double.leave(self)

    def cdn(self, parts, rule):
        key = parse_qs(parts.query).get("signature", [""])[0]
        data = self.server.double.signed.get(key)
        if data is None:
            self.answer(403, b"<Error>AccessDenied</Error>")
        else:
            self.send_data(data, rule)

    def hub(self, path, parts, rule):
        double = self.server.double
        if path == "/api/whoami-v2":
            self.whoami()
            return
        found = re.fullmatch(r"/api/models/([^/]+(?:/[^/]+)?)/revision/(.+)", path)
        if found and found.group(1) in double.renamed:
            self.answer(307, Location=parts.path.replace(found.group(1),
                                                         double.renamed[found.group(1)]))
            return
        if found:
            self.with_commit(*found.groups(), self.send_info)
            return
        found = re.fullmatch(r"/api/models/([^/]+(?:/[^/]+)?)/tree/([^/]+)", path)
        if found:
            self.with_commit(*found.groups(), lambda *rest: self.send_tree(*rest, parts))
            return
        found = re.fullmatch(r"/([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)", path) or re.fullmatch(
            r"/api/resolve-cache/models/([^/]+(?:/[^/]+)?)/([0-9a-f]{40})/(.+)", path)
        if found:
            name, revision, file = found.groups()
            self.with_commit(name, revision,
                             lambda *rest: self.send_file(*rest, file, rule, parts))
            return
        self.fail(404, None, "Not Found")

    def whoami(self):
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            self.answer(200, json.dumps({
                "type": "user", "name": "somebody", "auth": {"type": "access_token", "accessToken": {
                    "displayName": self.server.double.token_name, "role": "read"}}}).encode())
        else:
            self.fail(401, None, "Invalid user token.")

    def with_commit(self, name, revision, go_on):
        """Checks token, repository and revision as the Hub does."""
        double = self.server.double
        sent = self.headers.get("Authorization")
        good = sent == f"Bearer {TOKEN}"
        if sent and not good and sent != "Bearer hf_noaccess":
            self.fail(401, None, "Invalid credentials in Authorization header")
            return
        repository = double.repositories.get(name)
        if not repository or (repository.access == "private" and not good):
            if sent:
                self.fail(404, "RepoNotFound", "Repository not found")
            else:
                self.fail(401, "RepoNotFound", "Invalid username or password.")
            return
        if repository.access == "disabled":
            self.fail(403, None, "Access to this resource is disabled.")
            return
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        if repository.access == "gated" and not good and "/api/" not in self.path:
            self.fail(403 if sent else 401, "GatedRepo", f"Access to model {name} is restricted")
            return
        go_on(name, repository, commit)

    def send_info(self, name, repository, commit):
        self.answer(200, json.dumps({"id": name, "sha": commit, "private": False,
                                     "siblings": []}).encode(), Content_Type="application/json")

    def send_tree(self, name, repository, commit, parts):
        double = self.server.double
        entries = [file.entry() for file in repository.commits[commit].values()]
        folders = sorted({path.rsplit("/", 1)[0] for path in repository.commits[commit] if "/" in path})
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": folder}
                   for folder in folders] + entries + double.extra_entries
        cursor = int(parse_qs(parts.query).get("cursor", ["0"])[0])
        page = entries[cursor:cursor + double.page_size]
        headers = {}
        if cursor + double.page_size < len(entries):
            headers["Link"] = (f"<{double.link_host or double.url}{parts.path}?recursive=true&"
                               f"expand=false&cursor={cursor + double.page_size}>; rel=\"next\"")
        self.answer(200, json.dumps(page).encode(), Content_Type="application/json", **headers)

    def send_file(self, name, repository, commit, path, rule, parts):
        double = self.server.double
        file = repository.commits[commit].get(path)
        if not file:
            self.fail(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit)
        elif file.lfs:
            key = secrets.token_hex(8)
            double.signed[key] = file.data
            location = f"{double.cdn_url}/{file.etag}?signature={key}"
            self.answer(302, b"Found", Location=location, X_Repo_Commit=commit,
                        X_Linked_Etag=f'"{file.etag}"', X_Linked_Size=str(len(file.data)),
                        X_Xet_Hash=xet_hash(file.etag),
                        Link=f'<{double.url}/api/models/{name}/xet-read-token/{commit}>; '
                             f'rel="xet-auth", <https://cas.invalid>; rel="xet-reconstruction-info"',
                        ETag=f'"{file.oid}"')
        elif not parts.path.startswith("/api/"):
            location = f"/api/resolve-cache/models/{name}/{commit}/{quote(path)}?etag={file.etag}"
            self.answer(307, b"", Location=location, X_Repo_Commit=commit, ETag=f'"{file.etag}"')
        else:
            self.send_data(file.data, rule, X_Repo_Commit=commit, ETag=f'"{file.etag}"')


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # clients that are killed leave broken pipes behind


class HubDouble:
    def __init__(self, certificate=None):
        """`certificate`: paths of a certificate and its key; then both hosts speak TLS."""
        self.certificate = certificate
        self.token_name = "laptop"
        self.active = {"hub": 0, "cdn": 0}
        self.most_active = {"hub": 0, "cdn": 0}
        self.repositories = {}
        self.renamed = {}
        self.signed = {}
        self.rules = []
        self.requests = []  # (host, path, headers)
        self.extra_entries = []
        self.page_size = 1000
        self.link_host = None
        self.bytes_per_second = 0  # 0: as fast as it goes
        self.lock = threading.Lock()
        self.hub = self.start("127.0.0.1")
        self.cdn = self.start("127.0.0.2")
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.hub.server_address[1]}"
        self.cdn_url = f"{scheme}://127.0.0.2:{self.cdn.server_address[1]}"

    def start(self, host):
        server = Server((host, 0), Handler)
        server.double = self
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True,
                                                do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()
        return server

    def close(self):
        for server in (self.hub, self.cdn):
            server.shutdown()
            server.server_close()

    def add(self, name, files, access="public"):
        self.repositories[name] = Repository(files, access)
        return self.repositories[name]

    def rule(self, pattern, action, times=1, skip=0, **arguments):
        self.rules.append(Rule(pattern, action, times, skip, **arguments))

    def host(self, handler):
        return "cdn" if handler.server is getattr(self, "cdn", None) else "hub"

    def enter(self, handler):
        with self.lock:
            host = self.host(handler)
            self.active[host] += 1
            self.most_active[host] = max(self.active[host], self.most_active[host])

    def leave(self, handler):
        with self.lock:
            self.active[self.host(handler)] -= 1

    def note(self, handler):
        host = self.host(handler)
        with self.lock:
            self.requests.append((host, handler.path, dict(handler.headers)))
            for rule in self.rules:
                if rule.takes(f"{host}:{handler.path}"):
                    return rule
        return None

    def paths(self, pattern=""):
        return [path for host, path, _ in self.requests if re.search(pattern, f"{host}:{path}")]
