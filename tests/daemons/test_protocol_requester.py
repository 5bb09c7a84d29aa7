# SPDX-License-Identifier: MIT
"""A foreign requester: pika and what docs/protocol.md says, nothing of ours."""

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import time
import uuid

import pika
import pytest
import requests
import samples
from harness import ROOT, wait_for

WRITES, READS = "object_write_queue", "object_read_queue"
JSON_MODE = "application/vnd.sangraha+json"


def example(name):
    """The program of the page that begins with this comment."""
    page = (ROOT / "docs" / "protocol.md").read_text()
    return next(code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
                if code.startswith(f"# {name}\n"))  # fmt: skip


class Requester:
    def __init__(self, channel):
        self.channel = channel
        self.channel.confirm_delivery()
        self.replies = f"object_response_queue.{uuid.uuid4()}"
        channel.queue_declare(self.replies, durable=True, arguments={"x-expires": 600000})

    def send(self, queue, body, **properties):
        correlation = str(uuid.uuid4())
        properties = {"reply_to": self.replies, "correlation_id": correlation} | properties
        properties.setdefault("delivery_mode", 2 if queue == WRITES else 1)
        self.channel.basic_publish("", queue, body, pika.BasicProperties(**properties), mandatory=True)
        return correlation

    def answer(self, correlation, seconds=20):
        for method, properties, body in self.channel.consume(self.replies, inactivity_timeout=seconds):
            assert method, "no answer"
            self.channel.basic_ack(method.delivery_tag)
            if properties.correlation_id == correlation:
                self.channel.cancel()
                return properties, body

    def ask(self, queue, kind, body=b"", message_id=None, content_type=None, **headers):
        """Binary mode: properties, headers and body of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        correlation = self.send(queue, body, type=f"sangraha.{kind}.v1", message_id=message_id,
                                content_type=content_type, headers=named)  # fmt: skip
        properties, body = self.answer(correlation)
        assert properties.type == "sangraha.result.v1"
        return properties, properties.headers, body

    def ask_json(self, queue, kind, **members):
        """JSON mode: the answer's document."""
        correlation = str(uuid.uuid4())
        document = {"type": f"sangraha.{kind}.v1", "correlation_id": correlation} | members
        self.send(queue, json.dumps(document).encode(), content_type=JSON_MODE, correlation_id=None)
        properties, body = self.answer(correlation)
        assert properties.content_type == JSON_MODE
        return json.loads(body)


@pytest.fixture
def requester(stack):
    with stack.pika() as channel:
        yield Requester(channel)


def put(requester, data=b'{"a":1}', **headers):
    """Store what must be accepted; the new id and the answer."""
    object_id = str(uuid.uuid4())
    answer = requester.ask(WRITES, "put", data, message_id=object_id, **headers)
    assert answer[1]["status"] == "ok", answer[1]
    return object_id, answer


# Binary mode


def test_put(requester):
    data = samples.picture("PNG", size=(64, 48))
    object_id, (properties, headers, body) = put(
        requester, data, content_type="image/png", filename="संग्रह.png", size=len(data), request_id="r-1"
    )
    assert headers["code"] == "ok" and headers["operation-id"] == object_id
    assert headers["object-id"] == object_id and headers["object-type"] == "image"
    assert headers["filename"] == "संग्रह.png" and headers["size"] == len(data)
    assert headers["sha256"] == hashlib.sha256(data).hexdigest()
    assert json.loads(headers["facts"])["width"] == 64
    assert headers["request-id"] == "r-1"
    assert properties.content_type == "image/png" and properties.delivery_mode == 2 and body == b""


def test_get(requester):
    data = samples.pdf()
    object_id, _ = put(requester, data, filename="r.pdf", meta_author="Zoë")
    properties, headers, body = requester.ask(READS, "get", object_type="pdf", object_id=object_id)
    assert body == data and properties.content_type == "application/pdf"
    assert headers["filename"] == "r.pdf" and headers["meta-author"] == "Zoë"


def test_stat(requester):
    object_id, (_, stored, _) = put(requester)
    _, headers, body = requester.ask(READS, "stat", object_type="json", object_id=object_id)
    for name in ("object-id", "object-type", "size", "sha256", "created", "facts", "rules"):
        assert headers[name] == stored[name], name
    assert body == b""


def test_list(requester):
    ids = sorted(put(requester)[0] for _ in range(5))
    found, cursor = [], {}
    while True:
        properties, headers, body = requester.ask(READS, "list", object_type="json", limit=2, **cursor)
        assert headers["status"] == "ok" and properties.content_type == "application/json"
        page = json.loads(body)
        found += [each["id"] for each in page["objects"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == sorted(set(found)) and set(ids) <= set(found)


def test_delete(requester):
    object_id, _ = put(requester)
    asked = {"object_type": "json", "object_id": object_id}
    operation = str(uuid.uuid4())
    for _ in range(2):  # The same delete succeeds again,
        _, headers, _ = requester.ask(WRITES, "delete", message_id=operation, **asked)
        assert headers["status"] == "ok"
    _, headers, _ = requester.ask(WRITES, "delete", message_id=str(uuid.uuid4()), **asked)
    assert headers["code"] == "not_found"  # another one finds nothing.
    _, headers, _ = requester.ask(READS, "get", **asked)
    assert headers["code"] == "not_found"
    _, headers, _ = requester.ask(WRITES, "put", b"{}", message_id=object_id)
    assert headers["code"] == "gone"


def test_a_repeat_is_the_same_success(requester):
    object_id, (_, first, _) = put(requester, b"[1]")
    _, again, _ = requester.ask(WRITES, "put", b"[1]", message_id=object_id)
    assert again["status"] == "ok" and again["replayed"] is True
    assert again["created"] == first["created"]
    _, other, _ = requester.ask(WRITES, "put", b"[2]", message_id=object_id)
    assert other["code"] == "conflict"
    _, other, _ = requester.ask(WRITES, "put", samples.pdf(1), message_id=object_id)
    assert other["code"] == "conflict"


def test_a_refusal(requester):
    asked = {"message_id": str(uuid.uuid4()), "content_type": "application/json"}
    _, headers, _ = requester.ask(WRITES, "put", b'{"a":1,}', **asked)
    assert (headers["status"], headers["code"]) == ("error", "rejected")
    assert headers["rule"] == "json.comma" and headers["offset"] == 7 and headers["message"]
    _, told, _ = requester.ask(READS, "stat", object_id=asked["message_id"])
    assert (told["code"], told["offset"]) == ("rejected", 7)


@pytest.mark.parametrize(
    "wrong", [{"sha256": "0" * 64}, {"size": 3}, {"filename": "a/b"}, {"meta_x": "y" * 600}, {"limit": 0}]
)
def test_headers_that_make_no_sense(requester, wrong):
    _, headers, _ = requester.ask(WRITES, "put", b"{}", message_id=str(uuid.uuid4()), **wrong)
    assert headers["code"] == "invalid"


@pytest.mark.parametrize("queue, kind", [(READS, "get"), (READS, "stat"), (READS, "list"), (WRITES, "delete")])
def test_a_type_that_is_not_there(requester, queue, kind):
    asked = {"message_id": str(uuid.uuid4()), "object_type": "video"}
    if kind != "list":
        asked["object_id"] = str(uuid.uuid4())
    _, headers, _ = requester.ask(queue, kind, **asked)
    assert headers["code"] == "invalid"


def test_a_put_asserts_a_type_that_is_not_there(requester):
    _, headers, _ = requester.ask(WRITES, "put", b"{}", message_id=str(uuid.uuid4()), object_type="video")
    assert (headers["code"], headers["rule"]) == ("unsupported", "type.unknown")


def test_a_request_of_another_version(requester):
    correlation = requester.send(WRITES, b"{}", type="sangraha.put.v9", message_id=str(uuid.uuid4()))
    assert requester.answer(correlation)[0].headers["code"] == "unsupported"


def test_what_is_late_is_not_begun(requester):
    object_id = str(uuid.uuid4())
    _, headers, _ = requester.ask(WRITES, "put", b"{}", message_id=object_id, deadline=1700000000000)
    assert headers["code"] == "timeout"
    _, headers, _ = requester.ask(READS, "get", object_type="json", object_id=object_id)
    assert headers["code"] == "not_found"


def test_numbers_may_be_texts(requester):
    later = str(int(time.time() * 1000) + 20000)
    put(requester, b"{}", size="2", deadline=later, fresh="true")


def test_without_reply_to_the_answer_waits(requester):
    correlation = requester.send(WRITES, b"{}", type="sangraha.put.v1", message_id=str(uuid.uuid4()), reply_to=None)
    found = take(requester.channel, "object_response_queue",
                 lambda properties, _: properties.correlation_id == correlation)  # fmt: skip
    assert found[0].headers["status"] == "ok"


def take(channel, queue, wanted):
    """The first message that is wanted: other tests leave theirs there."""

    def look():
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        return (properties, body) if method and wanted(properties, body) else None

    return wait_for(look, what=queue)


# JSON mode


def test_json_mode(requester):
    data = samples.picture("GIF")
    object_id = str(uuid.uuid4())
    encoded = base64.b64encode(data).decode()
    stored = requester.ask_json(
        WRITES, "put", message_id=object_id, filename="é.gif", content_type="image/gif", data=encoded,
        **{"meta_x-source": "till 4"},
    )  # fmt: skip
    assert stored["status"] == "ok" and stored["object_type"] == "image", stored
    assert stored["content_type"] == "image/gif" and stored["meta_x-source"] == "till 4"
    asked = {"object_type": "image", "object_id": object_id}
    read = requester.ask_json(READS, "get", **asked)
    assert base64.b64decode(read["data"]) == data and read["filename"] == "é.gif"
    known = requester.ask_json(READS, "stat", **asked)
    assert known["sha256"] == hashlib.sha256(data).hexdigest() and "data" not in known
    assert isinstance(known["facts"], dict)
    listed = requester.ask_json(READS, "list", object_type="image", limit=1000)
    assert object_id in [each["id"] for each in listed["list"]["objects"]]
    assert requester.ask_json(WRITES, "delete", message_id=str(uuid.uuid4()), **asked)["status"] == "ok"
    assert requester.ask_json(READS, "get", **asked)["code"] == "not_found"


def test_json_mode_refuses(requester):
    data = base64.b64encode(b"text").decode()
    document = requester.ask_json(
        WRITES, "put", message_id=str(uuid.uuid4()), content_type="image/png", data=data
    )
    assert (document["code"], document["declared"], document["detected"]) == ("unsupported", "image/png", "text/plain")


def test_json_mode_without_sense(requester):
    document = requester.ask_json(WRITES, "put", message_id=str(uuid.uuid4()), data="not base64!")
    assert document["code"] == "invalid"


# Batches


def text(value):
    return b"\xff" * 4 if value is None else len(value).to_bytes(4, "little") + value.encode()


def member(body, headers=None, **properties):
    """A request as it stands in a batch; all its headers are texts."""
    headers = headers or {}
    names = ["type", "content_type", "message_id", "correlation_id", "reply_to", "app_id"]
    known = bytes([1, 1]) + bytes(8) + b"".join(text(properties.get(name)) for name in names)
    known += bytes([len(headers)])
    known += b"".join(bytes([0]) + text(name) + text(value) for name, value in headers.items())
    return b"".join(len(part).to_bytes(4, "little") + part for part in (known, body))


def members_of(batch):
    """Correlation id and headers of each."""
    batch = io.BytesIO(batch)

    def number(source, size=4):
        return int.from_bytes(source.read(size), "little")

    def piece(source):
        length = number(source)
        return None if length == 0xFFFFFFFF else source.read(length)

    while known := piece(batch):
        known = io.BytesIO(known)
        assert number(known, 1) == 1
        known.read(1 + 8)
        properties = [piece(known) for _ in range(6)]
        headers = {}
        for _ in range(number(known, 1)):
            kind, name = number(known, 1), piece(known).decode()
            headers[name] = number(known, 8) if kind else piece(known).decode()
        piece(batch)
        yield properties[3].decode(), headers


def put_member(requester, object_id, **properties):
    named = {"type": "sangraha.put.v1", "message_id": object_id, "correlation_id": object_id,
             "reply_to": requester.replies}  # fmt: skip
    return member(b"{}", {"request-id": "b-1"}, **(named | properties))


def send_batch(requester, queue, body):
    requester.send(queue, body, type="sangraha.batch.v1", reply_to=None, correlation_id=None)


def answers(requester, wanted):
    """What was said to each of these, alone or together."""
    found = {}
    while wanted - set(found):
        properties, body = take(requester.channel, requester.replies, lambda *_: True)
        if properties.type == "sangraha.batch.v1":
            found |= dict(members_of(body))
        else:
            found[properties.correlation_id] = properties.headers
    return found


def test_a_batch_of_puts(requester):
    ids = {str(uuid.uuid4()) for _ in range(5)}
    send_batch(requester, WRITES, b"".join(put_member(requester, each) for each in ids))
    assert {headers["status"] for headers in answers(requester, ids).values()} == {"ok"}
    for each in ids:
        assert requester.ask(READS, "get", object_type="json", object_id=each)[2] == b"{}"


def test_a_member_that_no_message_could_be(requester):
    wrong, *right = [str(uuid.uuid4()) for _ in range(3)]
    members = [
        put_member(requester, right[0]),
        put_member(requester, wrong, content_type="x" * 300),
        put_member(requester, right[1]),
    ]
    send_batch(requester, WRITES, b"".join(members))
    found = answers(requester, {wrong, *right})
    assert [found[each]["code"] for each in (right[0], wrong, right[1])] == ["ok", "invalid", "ok"]
    properties, _ = take(requester.channel, WRITES + ".dlq", lambda known, _: known.message_id == wrong)
    assert properties.headers["dead-reason"] == "unreadable"


@pytest.mark.parametrize("queue", [WRITES, READS])
@pytest.mark.parametrize("body", [b"", b"not a batch", b"x" * (128 * 1024 + 1)], ids=["empty", "other", "large"])
def test_a_batch_that_is_none_is_a_dead_letter(requester, queue, body):
    send_batch(requester, queue, body)
    properties, _ = take(requester.channel, queue + ".dlq", lambda _, found: found == body)
    assert properties.type == "sangraha.batch.v1"
    assert properties.headers["x-first-death-reason"] == "rejected"


# Dead letters, events, the page


def test_the_unreadable_is_a_dead_letter(requester):
    correlation = requester.send(WRITES, b"{", content_type=JSON_MODE)
    properties, body = requester.answer(correlation)
    assert json.loads(body)["code"] == "invalid"
    properties, _ = take(requester.channel, "object_write_queue.dlq", lambda _, body: body == b"{")
    assert properties.headers["dead-reason"] == "unreadable"
    assert properties.headers["dead-attempts"] == 1
    assert not [name for name in properties.headers if "death" in name]


def test_events(requester):
    channel = requester.channel
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "sangraha.events", "sangraha.object.*")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    object_id, _ = put(requester, request_id="r-1", traceparent=trace)
    requester.ask(WRITES, "delete", message_id=str(uuid.uuid4()), object_type="json", object_id=object_id)
    refused = str(uuid.uuid4())
    requester.ask(WRITES, "put", b"{]", message_id=refused, content_type="application/json")
    events = {}
    while len(events) < 3:
        properties, body = take(channel, queue, lambda *_: True)
        event = json.loads(body)
        assert event["specversion"] == "1.0" and event["type"] == properties.type
        assert event["id"] == properties.message_id
        if object_id in event["subject"] or refused in event["subject"]:
            events[event["type"].split(".")[-1]] = event
        if event["id"] == f"{object_id}:created":
            assert properties.headers["request-id"] == "r-1" and event["traceparent"] == trace
    assert events["created"]["data"]["reference"] == f"json/{object_id}"
    assert events["deleted"]["data"]["reference"] == f"json/{object_id}"
    assert events["created"]["time"] and "time" not in events["deleted"]
    assert events["rejected"]["data"]["code"] == "rejected"


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def send(ticket, data, **changed):
    headers = ticket["headers"] | changed
    return requests.put(ticket["urls"][0], data, headers=headers, timeout=30).status_code


@pytest.mark.parametrize("told", [{}, {"crc32c": f"{crc32c(b'[1,2,3]'):08x}"}], ids=["sha256", "crc32c"])
def test_one_put_is_checked_by_the_store(requester, told):
    data, object_id, name = b"[1,2,3]", str(uuid.uuid4()), next(iter(told), "sha256")
    findings = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "facts": "{}", "rules": "1"}
    step = findings | {"message_id": object_id, "transfer": "put"}
    _, headers, body = requester.ask(WRITES, "put-begin", data, **step, **told)
    ticket = json.loads(body)
    assert headers["transfer"] == "put" and [header for header in ticket["headers"] if "checksum" in header] == [
        f"x-amz-checksum-{name}"
    ]
    assert send(ticket, b"[1,2,4]") == 400
    assert send(ticket, data, **{f"x-amz-checksum-{name}": "AAAAAA=="}) == 403
    assert requester.ask(WRITES, "put-commit", object_type="json", **step)[1]["code"] == "not_found"
    assert send(ticket, data) == 200 and send(ticket, data) == 412
    _, headers, _ = requester.ask(WRITES, "put-commit", object_type="json", **step)
    assert headers["status"] == "ok" and headers["sha256"] == findings["sha256"]


def test_a_crc_that_is_none_is_refused(requester):
    step = {"size": 7, "sha256": "0" * 64, "facts": "{}", "rules": "1", "transfer": "put"}
    _, headers, _ = requester.ask(WRITES, "put-begin", b"[1,2,3]", message_id=str(uuid.uuid4()),
                                  crc32c="E3069283", **step)  # fmt: skip
    assert headers["code"] == "invalid" and "crc32c" in headers["message"]


def test_the_example_of_the_page(stack):
    done = subprocess.run(
        [sys.executable, "-c", example("requester")],
        env={"SANGRAHA_QUEUE_URL": stack.broker_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok json ")
    assert lines[1] == 'hello.json {"hello": "world"}'
    assert lines[-1].startswith("error not_found ")


def test_the_uploader_of_the_page(stack, tmp_path):
    """As printed, behind the page's first program, whose ask() it uses."""
    large = b"[" + b"1234567," * (3 << 20) + b"0]"
    (tmp_path / "large.json").write_bytes(large)
    (tmp_path / "bad.json").write_bytes(b"[" + b"," * 70000)
    program = f"""
{example("requester")}
{example("uploader")}
print("here")
answer = upload("large.json", 5 << 20)
print(answer["status"], answer["size"], answer["sha256"], answer.get("replayed"))
answer, body = ask("object_read_queue", "get", object_type="json", object_id=answer["object-id"])
print(answer["transfer"], hashlib.sha256(urllib.request.urlopen(json.loads(body)["urls"][0]).read()).hexdigest())
print(upload("bad.json")["rule"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"SANGRAHA_QUEUE_URL": stack.broker_url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(large).hexdigest()
    told = done.stdout.split("here\n")[1].splitlines()
    assert told == [f"ok {len(large)} {digest} None", f"get {digest}", "json.value"]
