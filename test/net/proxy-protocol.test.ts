import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalIp } from "../../src/net/ip.ts";
import {
  MAX_PROXY_HEADER_OCTETS,
  type ProxyHeaderStep,
  parseProxyHeader,
} from "../../src/net/proxy-protocol.ts";
import { type ProxyV2, toProxyV2 } from "../support/proxy-header.ts";

const v1 = (line: string) => parseProxyHeader(Buffer.from(line, "latin1"));
const v2 = (header: ProxyV2) => parseProxyHeader(toProxyV2(header));

function sourceOf(step: ProxyHeaderStep): string | null {
  assert.equal(step.kind, "header");
  return step.kind === "header" && step.source ? `${step.source.ip} ${step.source.port}` : null;
}

const HEADERS: readonly Buffer[] = [
  Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"),
  Buffer.from("PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n"),
  Buffer.from("PROXY UNKNOWN\r\n"),
  toProxyV2({ source: "192.0.2.1", port: 56324 }),
  toProxyV2({ source: "2001:db8::1", port: 1, tlvs: Buffer.alloc(300, 7) }),
  toProxyV2({ command: 0x20, family: 0 }),
];

test("a line of version 1 names the client", () => {
  assert.deepEqual(v1("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\nEHLO"), {
    kind: "header",
    source: { ip: "192.0.2.1", port: 56324 },
    used: 44,
  });
  assert.equal(sourceOf(v1("PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 0 65535\r\n")), "2001:db8::1 0");
  assert.equal(
    sourceOf(v1("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 7 25\r\n")),
    "192.0.2.1 7",
  );
});

test("UNKNOWN of version 1 names nobody, whatever it adds", () => {
  assert.equal(sourceOf(v1("PROXY UNKNOWN\r\n")), null);
  assert.equal(sourceOf(v1("PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n")), null);
});

test("a line of version 1 that is not exactly of its form is no header", () => {
  const wrong = [
    "PROXY TCP4 192.0.2.01 198.51.100.1 56324 25\r\n",
    "PROXY TCP4 0xc0.0.2.1 198.51.100.1 56324 25\r\n",
    "PROXY TCP4 192.0.2 198.51.100.1 56324 25\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 056324 25\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 \r\n",
    "PROXY TCP4  192.0.2.1 198.51.100.1 56324 25\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\rX",
    "PROXY TCP4 192.0.2.1 2001:db8::1 56324 25\r\n",
    "PROXY TCP4 2001:db8::1 2001:db8::1 56324 25\r\n",
    "PROXY TCP6 192.0.2.1 192.0.2.1 56324 25\r\n",
    "PROXY TCP6 fe80::1%eth0 2001:db8::1 56324 25\r\n",
    "PROXY TCP6 [2001:db8::1] 2001:db8::1 56324 25\r\n",
    "PROXY tcp4 192.0.2.1 198.51.100.1 56324 25\r\n",
    "PROXY UDP4 192.0.2.1 198.51.100.1 56324 25\r\n",
    "PROXY UNKNOWNX\r\n",
    "PROXY UNKNOWN \0\r\n",
    "PROXY \r\n",
    "PROXY\r\n",
    "proxy UNKNOWN\r\n",
    " PROXY UNKNOWN\r\n",
    "EHLO client.test\r\n",
  ];
  for (const line of wrong) assert.equal(v1(line).kind, "invalid", JSON.stringify(line));
});

test("a line of version 1 ends at CRLF only, within 107 octets", () => {
  const filled = (octets: number) => `PROXY UNKNOWN ${"x".repeat(octets - 16)}\r\n`;
  assert.equal(v1(filled(107)).kind, "header");
  assert.equal(v1(filled(108)).kind, "invalid");
  assert.equal(v1("PROXY UNKNOWN\n").kind, "need-more");
  assert.equal(v1(`PROXY UNKNOWN\n${"x".repeat(100)}`).kind, "invalid");
  assert.equal(v1("PROXY UNKNOWN\n\r\n").kind, "invalid");
});

test("a header of version 2 names the client; what follows the addresses is skipped", () => {
  assert.deepEqual(v2({ source: "192.0.2.1", port: 56324 }), {
    kind: "header",
    source: { ip: "192.0.2.1", port: 56324 },
    used: 28,
  });
  const tlvs = Buffer.from("010004746573740300040badc0de", "hex");
  assert.equal(sourceOf(v2({ source: "2001:db8::1", port: 9, tlvs })), "2001:db8::1 9");
  assert.equal(sourceOf(v2({ source: "::ffff:192.0.2.1", port: 9 })), "192.0.2.1 9");
});

test("LOCAL, no family and UNIX sockets of version 2 name nobody", () => {
  assert.equal(sourceOf(v2({ command: 0x20, family: 0 })), null);
  assert.equal(sourceOf(v2({ command: 0x20, source: "192.0.2.1", port: 1 })), null);
  assert.equal(sourceOf(v2({ command: 0x20, family: 0x77 })), null);
  assert.equal(sourceOf(v2({ family: 0 })), null);
  assert.equal(sourceOf(v2({ family: 0x31, tlvs: Buffer.alloc(216) })), null);
  assert.equal(sourceOf(v2({ family: 0x32, tlvs: Buffer.alloc(216) })), null);
});

test("a header of version 2 that is not exactly of its form is none", () => {
  for (const command of [0x00, 0x01, 0x10, 0x11, 0x22, 0x31, 0xff])
    assert.equal(v2({ command, source: "192.0.2.1" }).kind, "invalid", `command ${command}`);
  for (const family of [0x10, 0x12, 0x13, 0x20, 0x22, 0x30, 0x33, 0x41, 0xff])
    assert.equal(v2({ family, tlvs: Buffer.alloc(216) }).kind, "invalid", `family ${family}`);
  assert.equal(v2({ family: 0x11, tlvs: Buffer.alloc(11) }).kind, "invalid");
  assert.equal(v2({ family: 0x21, tlvs: Buffer.alloc(35) }).kind, "invalid");
  const broken = toProxyV2({ source: "192.0.2.1" });
  broken[5] = 0x0a;
  assert.equal(parseProxyHeader(broken).kind, "invalid");
});

test("a header of version 2 may be so long, and longer is refused before it has arrived", () => {
  const tlvs = Buffer.alloc(MAX_PROXY_HEADER_OCTETS - 28);
  assert.equal(v2({ source: "192.0.2.1", tlvs }).kind, "header");
  const longer = toProxyV2({ source: "192.0.2.1", tlvs: Buffer.alloc(tlvs.length + 1) });
  assert.equal(parseProxyHeader(longer.subarray(0, 16)).kind, "invalid");
});

test("a header may arrive in any two pieces, with anything behind it", () => {
  for (const header of HEADERS) {
    const whole = parseProxyHeader(header);
    assert.equal(whole.kind === "header" && whole.used, header.length);
    for (let split = 0; split < header.length; split++)
      assert.equal(parseProxyHeader(header.subarray(0, split)).kind, "need-more", `at ${split}`);
    const more = Buffer.concat([header, Buffer.from("EHLO client.test\r\n")]);
    assert.deepEqual(parseProxyHeader(more), whole);
  }
});

test("every client comes out of both versions as it went in", () => {
  const client = fc.record({
    ip: fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((ip) => canonicalIp(ip) !== null),
    ),
    port: fc.nat(65535),
  });
  fc.assert(
    fc.property(client, ({ ip, port }) => {
      const family = ip.includes(":") ? "TCP6" : "TCP4";
      const source = { ip: canonicalIp(ip), port };
      const line = v1(`PROXY ${family} ${ip} ${ip} ${port} 25\r\n`);
      assert.deepEqual(line.kind === "header" && line.source, source);
      const binary = v2({ source: ip, port });
      assert.deepEqual(binary.kind === "header" && binary.source, source);
    }),
  );
});

test("whatever arrives, an answer comes within the bound and stays as it is", () => {
  const start = fc.constantFrom(
    ...["", "PROXY ", "PROXY TCP4 1.2.3.4 ", "\r\n\r\n\0\r\nQUIT\n"].map((s) => Buffer.from(s)),
    ...HEADERS,
  );
  const rest = fc.uint8Array({ maxLength: MAX_PROXY_HEADER_OCTETS + 10 });
  fc.assert(
    fc.property(start, rest, fc.nat(), (begin, noise, cut) => {
      const octets = Buffer.concat([begin, noise]);
      const early = parseProxyHeader(octets.subarray(0, cut % (octets.length + 1)));
      const late = parseProxyHeader(octets);
      if (early.kind !== "need-more") assert.deepEqual(late, early);
      const enough = Buffer.concat([octets, Buffer.alloc(MAX_PROXY_HEADER_OCTETS)]);
      assert.notEqual(parseProxyHeader(enough).kind, "need-more");
    }),
  );
});
