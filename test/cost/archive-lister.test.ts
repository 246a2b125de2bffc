import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createTypeSniffer } from "../../src/mail/true-type.ts";
import { tarMember, tarOf, zipOf } from "../support/archive-bytes.ts";
import { listArchive } from "../support/list-archive.ts";

const MIB = 1024 * 1024;
/** A mail may have 25 MiB; copying them takes some 20 ms. */
const BYTES = 10 * MIB;
const LIMIT_MS = 3000;

const filled = (piece: string, bytes = BYTES) => Buffer.alloc(bytes, piece, "latin1");
const members = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `f${i}` }));

for (const [what, octets] of [
  ["zeros", filled("\0")],
  ["signatures cut short", filled("PK")],
  ["local signatures", filled("PK\x03\x04")],
  ["central signatures", filled("PK\x01\x02")],
  ["end signatures", filled("PK\x05\x06")],
  ["end signatures behind a zip", Buffer.concat([zipOf(members(9)), filled("PK\x05\x06")])],
  ["local headers with the longest names", filled(`PK\x03\x04${"\xff".repeat(26)}`)],
  ["a zip of 60,000 entries", zipOf(members(60_000))],
  ["a tar of empty files", tarOf(filled(tarMember("a").toString("latin1")))],
  ["a tar of zeros behind its end", tarOf(tarMember("a"), filled("\0"))],
  ["a tar with much behind its end", tarOf(tarMember("a"), filled("\0", 1024), filled("1 "))],
  ["a pax header of short records", tarOf(tarMember("x", filled("6 a=b\n", 65_000), "x"))],
  ["a gzip of zeros", gzipSync(filled("\0", 100 * MIB))],
  ["a gzip of a tar of zeros", gzipSync(tarOf(tarMember("a", filled("\0", 50 * MIB))))],
  ["RAR markers", filled("Rar!\x1a\x07")],
  ["RAR 4 blocks", Buffer.concat([filled("Rar!\x1a\x07\0", 7), filled("\0\0\x7a\0\0\x07\0")])],
  [
    "RAR 5 blocks",
    Buffer.concat([filled("Rar!\x1a\x07\x01\0", 8), filled("\0\0\0\0\x03\x03\0\0")]),
  ],
] as const)
  test(`${what}: ten million octets are listed and their type told in linear time`, async () => {
    const started = performance.now();
    const listing = await listArchive(octets, 64 * 1024);
    const sniffer = createTypeSniffer();
    for (let at = 0; at < octets.length; at += 1000) sniffer.write(octets.subarray(at, at + 1000));
    await sniffer.end();
    const ms = performance.now() - started;
    assert.ok(ms < LIMIT_MS, `${ms} ms`);
    assert.ok(JSON.stringify(listing).length < MIB, "evidence stays small");
  });
