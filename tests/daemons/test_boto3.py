# SPDX-License-Identifier: MIT
"""What lies in the store, seen by a foreign S3 client."""

import hashlib
from urllib.parse import quote, unquote

import pytest
import samples


@pytest.fixture
def s3(stack):
    return stack.boto3()


def test_the_object_and_its_metadata(stack, rest, s3):
    data = samples.picture("PNG", size=(30, 20))
    name = "Фото & संग्रह.png"
    stored = rest.store(data, filename=name, headers={"Sangraha-Meta-author": quote("Zoë")})
    there = s3.get_object(Bucket=f"{stack.prefix}image", Key=stored["id"])
    assert there["Body"].read() == data
    assert there["ContentType"] == "image/png"
    meta = there["Metadata"]
    assert meta["sangraha"] == "1"
    assert unquote(meta["sangraha-filename"]) == name
    assert meta["sangraha-sha256"] == hashlib.sha256(data).hexdigest()
    assert meta["sangraha-operation"] == stored["id"]
    assert meta["sangraha-created"] == stored["created"]
    assert meta["sangraha-rules"] == "2"
    assert '"width":30' in unquote(meta["sangraha-facts"])
    assert unquote(meta["sangraha-u-author"]) == "Zoë"


@pytest.mark.parametrize("name", ["report.pdf", "data.json", "photo.jpg"])
def test_each_type_has_its_bucket(stack, rest, s3, name):
    object_type, media_type, make = samples.ALL[name]
    stored = rest.store(make())
    head = s3.head_object(Bucket=f"{stack.prefix}{object_type}", Key=stored["id"])
    assert head["ContentType"] == media_type and head["ContentLength"] == stored["size"]


def test_buckets_are_there(stack, s3):
    names = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert {stack.prefix + name for name in ("json", "image", "pdf", "meta")} <= names


def test_a_delete_leaves_a_tombstone(stack, rest, s3):
    stored = rest.store(b"{}")
    rest.delete(stored["reference"])
    left = s3.list_objects_v2(Bucket=f"{stack.prefix}json", Prefix=stored["id"])
    assert left["KeyCount"] == 0
    s3.head_object(Bucket=f"{stack.prefix}meta", Key=f"deleted/{stored['reference']}")


def test_what_is_refused_is_not_stored(stack, rest, s3):
    before = keys(s3, f"{stack.prefix}json")
    rest.post(b'{"a":1,}', "application/json")
    assert keys(s3, f"{stack.prefix}json") == before


def keys(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {row["Key"] for page in pages for row in page.get("Contents", [])}


def test_what_is_not_ours_is_no_object(stack, rest, s3):
    key = "0" * 8 + "-0000-7000-8000-" + "0" * 12
    s3.put_object(Bucket=f"{stack.prefix}pdf", Key=key, Body=b"a stranger's")
    s3.put_object(Bucket=f"{stack.prefix}pdf", Key="no id", Body=b"a stranger's")
    assert rest.get(f"pdf/{key}").status_code in (404, 500)
    listed = rest.list(type="pdf", limit=1000)
    assert listed.status_code == 200 and key not in listed.text
    s3.delete_object(Bucket=f"{stack.prefix}pdf", Key=key)
    s3.delete_object(Bucket=f"{stack.prefix}pdf", Key="no id")
