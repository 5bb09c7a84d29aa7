# SPDX-License-Identifier: MIT
"""The HTTP interface as its users see it: everything here goes through all three programs."""

import base64
import hashlib
import http.client
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urlsplit

import pytest
import requests
import samples
from harness import Rest, refused, wait_for

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NAMES = ["plain.json", "zwei Wörter.json", "संग्रह.json", "対象.json", "ملف.json", "🗂️.json", "100% 'q' (1)*.json"]


def disposition_name(answer):
    """The file name of a Content-Disposition, as RFC 6266 clients take it."""
    header = answer.headers["Content-Disposition"]
    extended = re.search(r"filename\*=UTF-8''([^;]+)", header)
    if extended:
        return unquote(extended[1], errors="strict")
    return re.search(r'filename="((?:[^"\\]|\\.)*)"', header)[1].replace('\\"', '"')


# Storing and reading


@pytest.mark.parametrize("name", samples.ALL)
def test_round_trip(rest, name):
    object_type, media_type, make = samples.ALL[name]
    data = make()
    stored = rest.store(data, filename=name)
    assert stored["type"] == object_type
    assert stored["content_type"] == media_type
    answer = rest.get(stored["reference"])
    assert answer.content == data
    assert answer.headers["Content-Type"] == media_type
    assert disposition_name(answer) == name


def test_the_description_is_complete(rest):
    data = samples.picture("PNG", size=(64, 48))
    answer = rest.post(data, "image/png", filename="a.png")
    stored = answer.json()
    assert answer.headers["Location"] == f"/v1/objects/{stored['reference']}"
    assert re.fullmatch(UUID, stored["id"]) and uuid.UUID(stored["id"]).version == 7
    assert stored["reference"] == f"image/{stored['id']}"
    assert stored["filename"] == "a.png"
    assert stored["size"] == len(data)
    assert stored["sha256"] == hashlib.sha256(data).hexdigest()
    assert stored["etag"] == f'"{stored["sha256"]}"'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stored["created"])
    assert stored["metadata"] == {}
    assert stored["facts"]["width"] == 64 and stored["facts"]["height"] == 48
    assert rest.stat(stored["reference"]).json() == stored


@pytest.mark.parametrize("name", NAMES)
def test_names_come_back(rest, name):
    stored = rest.store(b"{}", filename=name)
    assert stored["filename"] == name
    answer = rest.get(stored["reference"])
    assert disposition_name(answer) == name
    assert answer.headers["Content-Disposition"].isascii()


def test_a_name_from_content_disposition(rest):
    header = "attachment; filename=\"x.json\"; filename*=UTF-8''" + quote("Menü.json")
    stored = rest.store(b"[1]", headers={"Content-Disposition": header})
    assert stored["filename"] == "Menü.json"


@pytest.mark.parametrize("name", ["a/b.json", "..", "a\\b", "a\nb", "\u202egnp.json", "x" * 256])
def test_names_that_are_dangerous(rest, name):
    refused(rest.post(b"{}", filename=name), 400, "invalid")


def test_without_a_name(rest):
    stored = rest.store(b"{}")
    assert stored["filename"] is None
    assert disposition_name(rest.get(stored["reference"])) == f"{stored['id']}.json"


def test_download_is_an_attachment(rest):
    reference = rest.store(samples.pdf(), filename="r.pdf")["reference"]
    assert rest.get(reference).headers["Content-Disposition"].startswith("inline")
    answer = rest.get(reference + "?download")
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_what_is_served_stays_what_it_is(rest):
    answer = rest.get(rest.store(samples.picture("GIF"))["reference"])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_head_is_get_without_the_body(rest):
    reference = rest.store(samples.document(), filename="d.json")["reference"]
    got, head = rest.get(reference), rest.head(reference)
    assert head.status_code == 200 and head.content == b""
    for name in ("Content-Type", "Content-Length", "Content-Disposition", "ETag", "Last-Modified"):
        assert head.headers[name] == got.headers[name], name


def test_200_uploads_at_once(rest):
    def upload(number):
        data = json.dumps({"number": number, "pad": "x" * (number * 37)}).encode()
        answer = requests.post(f"{rest.url}/v1/objects", data=data, timeout=40)
        return answer, data

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(upload, range(200)))
        assert {answer.status_code for answer, _ in answers} == {201}
        read = pool.map(lambda pair: rest_get(rest, pair[0]), answers)
        assert [data for _, data in answers] == list(read)


def rest_get(rest, answer):
    return requests.get(rest.url + answer.headers["Location"], timeout=40).content


# Refusals


def test_text_that_calls_itself_png(rest):
    problem = refused(rest.post(b"just some text\n", "image/png", filename="a.png"), 415, "unsupported")
    assert problem["declared"] == "image/png"
    assert problem["detected"] == "text/plain"


def test_text_that_declares_nothing(rest):
    problem = refused(rest.post(b"just some text\n", filename="a.png"), 415, "unsupported")
    assert problem["detected"] == "text/plain"


def test_a_trailing_comma(rest):
    problem = refused(rest.post(b'{"a":1,}', "application/json"), 422, "rejected")
    assert problem["offset"] == 7
    assert problem["rule"].startswith("json.")
    assert problem["declared"] == problem["detected"] == "application/json"


@pytest.mark.parametrize("name", ["photo.jpg", "picture.png", "animation.gif", "lossy.webp", "report.pdf"])
def test_half_a_file(rest, name):
    data = samples.ALL[name][2]()
    problem = refused(rest.post(data[: len(data) // 2], samples.ALL[name][1]), 422, "rejected")
    assert problem["rule"]


def test_another_type_than_asserted(rest):
    refused(rest.post(samples.picture("PNG"), type="pdf"), 415, "unsupported")


def test_an_empty_body(rest):
    answer = rest.post(b"")
    assert answer.status_code in (400, 415, 422)
    refused(answer, answer.status_code, answer.json()["code"])


def test_svg_is_no_image(rest):
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    refused(rest.post(svg, "image/svg+xml"), 415, "unsupported")


def test_too_large(rest):
    """Larger than any object is: who asks before sending is told at once."""
    target = urlsplit(rest.url)
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=10)
    connection.putrequest("POST", "/v1/objects")
    connection.putheader("Content-Length", str((5 << 40) + 1))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
    connection.close()
    assert rest.store(b"1")


@pytest.mark.parametrize("type_", ["application/json", "image/png", "application/octet-stream"])
def test_curl_and_browsers_may_declare_anything_close(rest, type_):
    data = b"{}" if type_ != "image/png" else samples.picture("PNG")
    assert rest.store(data, type_)


# Conditions and ranges


@pytest.fixture(scope="module")
def ten(rest):
    return rest.store(b'"12345678"')


@pytest.mark.parametrize(
    "asked, content, answered",
    [
        ("bytes=0-3", b'"123', "bytes 0-3/10"),
        ("bytes=4-", b'45678"', "bytes 4-9/10"),
        ("bytes=-2", b'8"', "bytes 8-9/10"),
        ("bytes=8-100", b'8"', "bytes 8-9/10"),
    ],
)
def test_range(rest, ten, asked, content, answered):
    answer = rest.get(ten["reference"], headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == content
    assert answer.headers["Content-Range"] == answered


def test_a_range_past_the_end(rest, ten):
    answer = rest.get(ten["reference"], headers={"Range": "bytes=10-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10"


def test_if_range(rest, ten):
    same = rest.get(ten["reference"], headers={"Range": "bytes=0-3", "If-Range": ten["etag"]})
    other = rest.get(ten["reference"], headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_if_none_match(rest, ten):
    answer = rest.get(ten["reference"], headers={"If-None-Match": f'"x", {ten["etag"]}'})
    assert answer.status_code == 304 and answer.content == b""
    assert answer.headers["ETag"] == ten["etag"]
    assert rest.get(ten["reference"], headers={"If-None-Match": '"x"'}).status_code == 200


def test_if_modified_since(rest, ten):
    modified = rest.get(ten["reference"]).headers["Last-Modified"]
    assert parsedate_to_datetime(modified)
    answer = rest.get(ten["reference"], headers={"If-Modified-Since": modified})
    assert answer.status_code == 304


# Deleting


def test_delete(rest):
    reference = rest.store(b"{}")["reference"]
    assert rest.delete(reference).status_code == 204
    refused(rest.get(reference), 404, "not_found")
    refused(rest.stat(reference), 404, "not_found")
    refused(rest.delete(reference), 404, "not_found")
    assert rest.head(reference).status_code == 404


def test_a_deleted_id_is_gone(rest):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    reference = rest.store(b"{}", headers=key)["reference"]
    assert rest.delete(reference).status_code == 204
    refused(rest.post(b"{}", headers=key), 410, "gone")


# What is not there, and what cannot be


@pytest.mark.parametrize("type_", ["json", "image", "pdf"])
def test_an_id_that_nobody_has(rest, type_):
    refused(rest.get(f"{type_}/{uuid.uuid4()}"), 404, "not_found")


def test_the_wrong_type_of_an_id(rest):
    stored = rest.store(b"{}")
    refused(rest.get(f"image/{stored['id']}"), 404, "not_found")


@pytest.mark.parametrize("reference", ["json/1", "json/0199f2c4-58a1-7c3e-9d55-3f1a2b4c5d6g", "json/..%2f.."])
def test_references_that_are_none(rest, reference):
    refused(rest.get(reference), 400, "invalid")
    refused(rest.stat(reference), 400, "invalid")
    refused(rest.delete(reference), 400, "invalid")
    assert rest.head(reference).status_code == 400


def test_a_type_that_nobody_has(rest):
    for reference in (f"video/{uuid.uuid4()}", f"Image/{uuid.uuid4()}", f"json%00/{uuid.uuid4()}"):
        refused(rest.get(reference), 400, "invalid")
        refused(rest.stat(reference), 400, "invalid")
        refused(rest.delete(reference), 400, "invalid")
        assert rest.head(reference).status_code == 400


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v2/objects", "/v1/objects/json", "/openapi.json", "/v1/uploads"])
def test_unknown_routes(rest, path):
    answer = rest.call("GET", path)
    assert answer.status_code in (404, 501)
    assert answer.json()["correlation_id"]


def test_routes_of_later_versions(rest):
    reference = rest.store(b"{}")["reference"]
    assert rest.call("PUT", f"/v1/objects/{reference}", data=b"{}").status_code in (404, 405, 501)
    assert rest.call("GET", f"/v1/objects/{reference}/versions").status_code in (404, 501)


# Listing


def test_pages_join_up_exactly(rest):
    with ThreadPoolExecutor(20) as pool:
        made = set(pool.map(lambda n: rest_store_id(rest, n), range(250)))
    pages, cursor = [], None
    while not pages or cursor:
        answer = rest.list(type="json", limit=40, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["objects"]) <= 40
        pages.append([each["id"] for each in page["objects"]])
        cursor = page.get("next_cursor")
    ids = [each for page in pages for each in page]
    assert ids == sorted(set(ids))
    assert made <= set(ids)


def rest_store_id(rest, number):
    answer = requests.post(f"{rest.url}/v1/objects", data=b'{"n":%d}' % number, timeout=40)
    return answer.json()["id"]


def test_a_list_has_full_descriptions(rest):
    stored = rest.store(samples.picture("PNG"), filename="संग्रह.png", headers={"Sangraha-Meta-Who": "me"})
    found = rest.list(type="image", limit=1000).json()["objects"]
    assert stored in found


def test_a_list_of_all_types(rest):
    stored = {rest.store(make(), filename=name)["reference"] for name, (_, _, make) in samples.ALL.items()}
    listed = []
    cursor = {}
    while True:
        page = rest.list(limit=1000, **cursor).json()
        listed += [each["reference"] for each in page["objects"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert stored <= set(listed)
    assert len(listed) == len(set(listed))
    types = [reference.split("/")[0] for reference in listed]
    assert sum(a != b for a, b in zip(types, types[1:])) == 2


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"limit": "-1"}, {"cursor": "%%%"}, {"type": "video"}],
)
def test_lists_that_cannot_be(rest, params):
    refused(rest.list(**params), 400, "invalid")


# Correlation, idempotency, digests, metadata


def test_a_given_correlation_id_comes_back(rest):
    answer = rest.post(b"{}", headers={"X-Correlation-ID": "order-66:a.b_c"})
    assert answer.headers["X-Correlation-ID"] == "order-66:a.b_c"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ä".encode()])
def test_a_bad_correlation_id_is_replaced(rest, given):
    answer = rest.call("GET", "/health/live", headers={"X-Correlation-ID": given})
    minted = answer.headers["X-Correlation-ID"]
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", minted) and minted != given


def test_the_correlation_id_is_in_every_log(stack, rest):
    request_id = f"trace-{uuid.uuid4()}"
    reference = rest.store(b"{}", headers={"X-Correlation-ID": request_id})["reference"]
    rest.get(reference, headers={"X-Correlation-ID": request_id})
    for daemon in (stack.orchestrator, stack.receiver, stack.getter):
        wait_for(lambda: any(request_id in line.values() for line in daemon.log()), what=daemon.role)


def test_an_idempotency_key_makes_one_object(rest):
    key = {"Idempotency-Key": f"key {uuid.uuid4()}"}
    first, again = rest.post(b"[1]", headers=key), rest.post(b"[1]", headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    refused(rest.post(b"[2]", headers=key), 409, "conflict")


def test_content_digest(rest):
    data = samples.document()
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert rest.store(data, headers={"Content-Digest": f"sha-256=:{digest}:"})
    answer = rest.post(data + b" ", headers={"Content-Digest": f"sha-256=:{digest}:"})
    refused(answer, 400, "invalid")


def raw_post(rest, headers, body=b"{}"):
    """A POST whose header has these lines, repeated names included; its status."""
    connection = http.client.HTTPConnection(urlsplit(rest.url).netloc, timeout=40)
    connection.putrequest("POST", "/v1/objects")
    for name, value in [("Content-Length", str(len(body))), *headers]:
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_fields_on_several_lines(rest):
    right = base64.b64encode(hashlib.sha256(b"{}").digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"[]").digest()).decode()
    name = "Content-Digest"
    assert raw_post(rest, [(name, f"sha-256=:{right}:"), (name, f"sha-256=:{wrong}:")]) == 400
    assert raw_post(rest, [(name, "sha-512=:AAAA:"), (name, f"sha-256=:{wrong}:")]) == 400
    assert raw_post(rest, [(name, "sha-512=:AAAA:"), (name, f"sha-256=:{right}:")]) == 201
    assert raw_post(rest, [("Prefer", "wait=5"), ("Prefer", "respond-async")]) == 202
    assert raw_post(rest, [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]) == 400


def test_metadata(rest):
    headers = {"Sangraha-Meta-author": quote("Zoë संग्रह"), "Sangraha-Meta-x-1": "plain"}
    stored = rest.store(b"{}", headers=headers)
    assert stored["metadata"] == {"author": "Zoë संग्रह", "x-1": "plain"}
    assert rest.stat(stored["reference"]).json()["metadata"] == stored["metadata"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sangraha-Meta-x": "y" * 600},
        {"Sangraha-Meta-x": "%ff%fe"},
        {"Sangraha-Meta-x": "%zz"},
        {f"Sangraha-Meta-{'x' * 65}": "y"},
        {"Sangraha-Meta-a_b": "y"},
    ],
)
def test_metadata_that_is_too_much(rest, headers):
    refused(rest.post(b"{}", headers=headers), 400, "invalid")


def test_multipart(rest):
    data = samples.picture("JPEG")
    answer = rest.call(
        "POST",
        "/v1/objects",
        files={"file": ("Foto é.jpg", data, "image/jpeg")},
        data={"meta.author": "Zoë"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["filename"] == "Foto é.jpg"
    assert answer.json()["metadata"] == {"author": "Zoë"}
    assert rest.content(answer.json()["reference"]) == data


@pytest.mark.parametrize(
    "name, value, status", [("Content-Encoding", "gzip", 415), ("Content-Transfer-Encoding", "base64", 400)]
)
def test_multipart_is_not_coded(rest, name, value, status):
    answer = rest.call("POST", "/v1/objects", files={"file": ("a.json", b"{}", "application/json", {name: value})})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "files",
    [
        [("other", ("a.json", b"{}"))],
        [("file", ("a.json", b"{}")), ("file", ("b.json", b"{}"))],
    ],
)
def test_multipart_has_exactly_one_file(rest, files):
    refused(rest.call("POST", "/v1/objects", files=files), 400, "invalid")


# Asynchronous writes and operations


def test_an_asynchronous_write(rest):
    answer = rest.post(b'{"later":true}', headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    location = answer.headers["Location"]
    assert re.fullmatch(rf"/v1/operations/{UUID}\?until=\d+", location)
    done = wait_for(lambda: finished(rest, location))
    assert done["state"] == "done" and done["status"] == 201
    assert rest.content(done["object"]["reference"]) == b'{"later":true}'


def finished(rest, location):
    answer = rest.operation(location)
    assert answer.status_code == 200, answer.text
    return answer.json() if answer.json()["state"] != "pending" else None


def test_an_asynchronous_write_that_is_refused(rest):
    answer = rest.post(b'{"a":1,}', "application/json", headers={"Prefer": "respond-async"})
    if answer.status_code == 202:
        done = wait_for(lambda: finished(rest, answer.headers["Location"]))
        assert done["state"] == "failed" and done["status"] == 422
        assert done["error"]["code"] == "rejected" and done["error"]["offset"] == 7
    else:
        refused(answer, 422, "rejected")


def test_the_operation_of_a_write(rest):
    stored = rest.store(b"{}")
    known = rest.operation(f"/v1/operations/{stored['id']}").json()
    assert (known["id"], known["state"], known["status"]) == (stored["id"], "done", 201)
    assert known["object"] == stored


def test_an_operation_that_nobody_began(rest):
    known = rest.operation(f"/v1/operations/{uuid.uuid4()}").json()
    assert known["state"] == "unknown"
    later = rest.operation(f"/v1/operations/{uuid.uuid4()}?until=99999999999999").json()
    assert later["state"] == "pending"


# Who may, and how it is


def test_a_token_is_asked_for(stack, tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    daemon = stack.daemon("orchestrator", "--api-token-file", str(tmp_path / "token")).start().ready()
    refused(Rest(daemon.url).post(b"{}"), 401, "unauthorized")
    refused(Rest(daemon.url, Authorization="Bearer wrong").post(b"{}"), 401, "unauthorized")
    assert Rest(daemon.url, Authorization="Bearer s3cret").store(b"{}")
    assert daemon.terminate() == 0
    assert "s3cret" not in daemon.stderr()


def test_health(stack, rest):
    assert rest.call("GET", "/health/live").status_code == 200
    ready = rest.call("GET", "/health/ready")
    assert ready.status_code == 200
    assert {"reads", "writes", "dependencies"} <= set(ready.json())
    for daemon in (stack.receiver, stack.getter):
        assert requests.get(f"{daemon.url}/health/live", timeout=10).status_code == 200
        assert requests.get(f"{daemon.url}/v1/objects", timeout=10).status_code == 404


def test_metrics(stack, rest):
    rest.get(rest.store(b"{}")["reference"])
    for daemon, op in ((stack.orchestrator, "put"), (stack.receiver, "put"), (stack.getter, "get")):
        answer = requests.get(f"{daemon.url}/metrics", timeout=10)
        assert answer.headers["Content-Type"].startswith("text/plain")
        line = rf'^sangraha_requests_total{{.*role="{daemon.role}".*}} [1-9]'
        assert re.search(line, answer.text, re.MULTILINE), answer.text[:2000]
        assert f'op="{op}"' in answer.text
        assert "sangraha_memory_bytes" in answer.text
