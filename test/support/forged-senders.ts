import { domainToASCII } from "node:url";
import { makeRsaKey, type SigningKey, type SignOptions, signMessage } from "./dkim-signer.ts";
import type { JudgedMail } from "./judge-stages.ts";
import { mx, type Zone } from "./zone-resolver.ts";

/** Mail that pretends to be of victim.test (p=reject), from a client that owns evil.test. */
export interface ForgedMail extends Omit<JudgedMail, "resolver"> {
  readonly name: string;
}

export interface ForgedSet {
  readonly mails: readonly ForgedMail[];
  readonly zone: Zone;
  /** Honest mail of the victim, which must pass: a set that refuses everything shows nothing. */
  readonly honest: ForgedMail;
  /** Of a domain that only looks like the victim, and passes for itself. */
  readonly lookalike: ForgedMail;
  /** Of the attacker's own domain, and made to look like the victim's. */
  readonly disguised: readonly ForgedMail[];
}

const CLIENT = "198.51.100.66";
/** Looks like the victim, and is a domain of its own. */
const LOOKALIKE: string = domainToASCII("víctim.test");

export function forgedSenders(): ForgedSet {
  const victim = makeRsaKey(1024);
  const evil = makeRsaKey(1024);
  const weak = makeRsaKey(512);
  const zone = {
    "TXT _dmarc.victim.test": ["v=DMARC1; p=reject"],
    "TXT victim.test": ["v=spf1 ip4:192.0.2.25 -all"],
    "TXT s1._domainkey.victim.test": [victim.record],
    "TXT weak._domainkey.victim.test": [weak.record],
    "TXT revoked._domainkey.victim.test": ["v=DKIM1; p="],
    "TXT evil.test": [`v=spf1 ip4:${CLIENT} -all`],
    "TXT client.evil.test": [`v=spf1 ip4:${CLIENT} -all`],
    "TXT s1._domainkey.evil.test": [evil.record],
    "TXT victim._domainkey.evil.test": [evil.record],
    "TXT _dmarc.evil.test": ["v=DMARC1; p=none"],
    [`TXT ${LOOKALIKE}`]: [`v=spf1 ip4:${CLIENT} -all`],
    "MX victim.test": [mx(10, "mail.victim.test")],
    "MX evil.test": [mx(10, "mail.evil.test")],
  };
  const honest = {
    name: "honest",
    message: signMessage(plain(), { key: victim, domain: "victim.test" }),
  };
  const mails = [...fromTricks(), ...identities(evil), ...signatures(victim, evil, weak)];
  const from = Buffer.from("From: CEO <ceo@víctim.test>").toString("latin1");
  const lookalike = { name: "a look-alike", message: plain(from), sender: `x@${LOOKALIKE}` };
  return { mails, zone, honest, lookalike, disguised: disguises(evil) };
}

/** From names the attacker; SPF and his own signature pass. A reader may show the victim. */
function disguises(evil: SigningKey): readonly ForgedMail[] {
  const froms: readonly (readonly [string, string])[] = [
    ["the victim as a comment before the address", "(ceo@victim.test) x@evil.test"],
    ["the victim as a comment behind the address", "x@evil.test (ceo@victim.test)"],
    ["the victim as the shown name", '"ceo@victim.test" <x@evil.test>'],
    ["the victim in brackets within quotes", '"CEO <ceo@victim.test>" <x@evil.test>'],
    ["the victim as an encoded word", "=?utf-8?q?ceo=40victim.test?= <x@evil.test>"],
    ["the victim as an encoded word in base64", "=?utf-8?b?Y2VvQHZpY3RpbS50ZXN0?= <x@evil.test>"],
    ["the victim folded into the shown name", '"ceo@victim.test"\r\n\t<x@evil.test>'],
  ];
  return froms.map(([name, from]) => ({
    name,
    message: signMessage(plain(`From: ${from}`), { key: evil, domain: "evil.test" }),
  }));
}

function plain(from = "From: CEO <ceo@victim.test>", subject = "Hello"): string {
  return `${from}\r\nTo: bob@example.org\r\nSubject: ${subject}\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nHello,\r\nCEO\r\n`;
}

/** Each is also sent with everything that evil.test can prove for itself. */
function fromTricks(): readonly ForgedMail[] {
  const froms: readonly (readonly [string, string])[] = [
    ["the plain forgery", "From: CEO <ceo@victim.test>"],
    ["two fields, the victim first", "From: ceo@victim.test\r\nFrom: x@evil.test"],
    ["two fields, the victim last", "From: x@evil.test\r\nFrom: ceo@victim.test"],
    ["two fields in two cases", "From: x@evil.test\r\nFROM: ceo@victim.test"],
    ["a blank before the colon", "From : ceo@victim.test"],
    ["a tab before the colon", "From\t: ceo@victim.test"],
    ["a blank before one of two colons", "From : ceo@victim.test\r\nFrom: x@evil.test"],
    ["a NUL in the name of the field", "From\0: ceo@victim.test\r\nFrom: x@evil.test"],
    ["a fold before the colon", "From\r\n : ceo@victim.test\r\nFrom: x@evil.test"],
    ["a leading blank", " From: ceo@victim.test\r\nFrom: x@evil.test"],
    ["a BOM before the name", "\xef\xbb\xbfFrom: ceo@victim.test\r\nFrom: x@evil.test"],
    ["two mailboxes", "From: x@evil.test, ceo@victim.test"],
    ["two mailboxes in brackets", "From: <ceo@victim.test>, <x@evil.test>"],
    ["two bracketed addresses without a comma", "From: <ceo@victim.test> <x@evil.test>"],
    ["brackets in brackets", "From: <<ceo@victim.test>x@evil.test>"],
    ["text behind the address", "From: <ceo@victim.test>x@evil.test"],
    ["a route through the attacker", "From: <@evil.test:ceo@victim.test>"],
    ["a route through the victim", "From: <@victim.test:x@evil.test>"],
    ["two at signs", "From: <ceo@victim.test@evil.test>"],
    ["a group", "From: staff: ceo@victim.test;"],
    ["a group of both", "From: staff: x@evil.test, ceo@victim.test;"],
    ["an empty group and an address", "From: staff:;, ceo@victim.test"],
    [
      "an encoded address",
      "From: =?utf-8?q?ceo=40victim.test?= <x@evil.test>\r\nFrom: ceo@victim.test",
    ],
    ["an encoded word as local part", "From: =?utf-8?q?ceo?=@victim.test"],
    ["an encoded word with the whole mailbox", "From: =?utf-8?b?PGNlb0B2aWN0aW0udGVzdD4=?="],
    ["a NUL within the address", "From: ceo@victim.test\0@evil.test"],
    ["a NUL within the domain", "From: ceo@victim.test\0.evil.test"],
    ["a NUL in an encoded name", "From: =?utf-8?q?ceo=40victim.test=00?= <ceo@victim.test>"],
    ["a comment within the address", "From: ceo@(evil.test)victim.test"],
    ["a comment between brackets", "From: <(x@evil.test)ceo@victim.test>"],
    ["a comment that does not end", "From: ceo@victim.test (x@evil.test"],
    ["a line of blanks", "From:\r\n \r\n ceo@victim.test"],
    ["a fold within the address", "From: ceo@\r\n victim.test"],
    ["a fullwidth letter", "From: ceo@\xef\xbd\x96ictim.test"],
    ["a fullwidth dot", "From: ceo@victim\xef\xbc\x8etest"],
    ["a trailing dot", "From: ceo@victim.test."],
    ["upper case", "From: CEO@VICTIM.TEST"],
    ["a subdomain that does not exist", "From: ceo@pay.victim.test"],
    ["twenty labels below", `From: ceo@${"a.".repeat(18)}victim.test`],
    ["a quoted local part with both", 'From: "x@evil.test"@victim.test'],
    ["no From and the victim as Sender", "Sender: ceo@victim.test"],
    ["an unclosed quote", 'From: "CEO <ceo@victim.test>'],
    ["semicolons", "From: ceo@victim.test; x@evil.test"],
    ["no blank behind the colon", "From:ceo@victim.test"],
    ["a fold behind the colon", "From:\r\n\tceo@victim.test"],
    ["a fold in front of the brackets", "From: CEO\r\n \r\n <ceo@victim.test>"],
    ["the attacker as a comment", "From: ceo@victim.test (x@evil.test)"],
    ["the attacker as the shown name", 'From: "x@evil.test" <ceo@victim.test>'],
    ["a Sender of the attacker", "From: ceo@victim.test\r\nSender: x@evil.test"],
    ["a Resent-From of the attacker", "Resent-From: x@evil.test\r\nFrom: ceo@victim.test"],
    ["the victim in upper case with a tag", "From: CEO+1@Victim.Test"],
    ["invisible letters in the domain", "From: ceo@victim\xe2\x80\x8b.test"],
    ["a blank in front of the at sign", "From: ceo @victim.test"],
  ];
  return froms.map(([name, from]) => ({ name, message: plain(from) }));
}

/** SPF passes, for somebody else. */
function identities(evil: SigningKey): readonly ForgedMail[] {
  const message = plain();
  return [
    { name: "SPF pass on the HELO of a null sender", message, sender: null },
    { name: "SPF pass on a HELO that is not checked", message, sender: "ceo@victim.test" },
    { name: "a HELO of the victim", message, sender: null, helo: "victim.test" },
    { name: "a HELO of the victim beside a proven sender", message, helo: "victim.test" },
    { name: "a MAIL FROM below the attacker", message, sender: "x@victim.test.evil.test" },
    {
      name: "a quoted MAIL FROM that looks like the victim",
      message,
      sender: '"a@victim.test"@evil.test',
    },
    { name: "a null sender with nonsense as HELO", message, sender: null, helo: "[192.0.2.25]" },
    {
      name: "a signature of the attacker",
      message: signMessage(message, { key: evil, domain: "evil.test" }),
    },
    {
      name: "a selector with the name of the victim",
      message: signMessage(message, { key: evil, domain: "evil.test", selector: "victim" }),
    },
  ];
}

function signatures(victim: SigningKey, evil: SigningKey, weak: SigningKey): readonly ForgedMail[] {
  const by = (key: SigningKey, options: Partial<SignOptions> = {}, message = plain()) =>
    signMessage(message, { key, domain: "victim.test", ...options });
  const good = by(victim);
  const partial = by(victim, { length: "Hello,\r\nCEO\r\n".length });
  const many = Array.from({ length: 12 }, () => evil).reduce(
    (message, key) => signMessage(message, { key, domain: "evil.test" }),
    by(evil),
  );
  return [
    { name: "a key of the attacker under d= of the victim", message: by(evil) },
    {
      name: "a NUL behind d= of the victim",
      message: by(evil, { domain: "victim.test\0.evil.test" }),
    },
    {
      name: "a NUL in front of the attacker in d=",
      message: by(evil, { domain: "evil.test\0victim.test" }),
    },
    { name: "a NUL in s=", message: by(evil, { selector: "s1._domainkey.evil.test\0" }) },
    {
      name: "s= that leads elsewhere",
      message: by(evil, { selector: "s1._domainkey.evil.test\r\n ;x" }),
    },
    { name: "blanks in d=", message: by(evil, { domain: "evil.test victim.test" }) },
    { name: "d= twice", message: by(evil, { domain: "evil.test; d=victim.test" }) },
    { name: "d= of a whole top level", message: by(evil, { domain: "test" }) },
    {
      name: "i= of the victim",
      message: by(evil, { domain: "evil.test", more: "; i=ceo@victim.test" }),
    },
    { name: "a weak key", message: by(weak, { selector: "weak" }) },
    { name: "a revoked key", message: by(victim, { selector: "revoked" }) },
    { name: "rsa-sha1", message: by({ ...victim, algorithm: "rsa-sha1" }) },
    { name: "an expired signature", message: by(victim, { more: "; x=1500000000" }) },
    { name: "a signature of the future", message: by(victim, { more: "; t=1900000000" }) },
    { name: "a changed body", message: good.replace("Hello,\r\nCEO", "Send money\r\nCEO") },
    { name: "a changed subject", message: good.replace("Subject: Hello", "Subject: Pay") },
    { name: "a body behind l=", message: `${partial}Send money\r\n` },
    { name: "nothing but l=0", message: `${by(victim, { length: 0 })}` },
    {
      name: "a replay with another subject, which is not signed",
      message: by(victim, { signed: "from:to:date" }).replace("Subject: Hello", "Subject: Pay"),
    },
    { name: "a second subject on top of a signed one", message: `Subject: Pay\r\n${good}` },
    { name: "a second From on top of a signed one", message: `From: ceo@victim.test\r\n${good}` },
    { name: "another From on top of a signed one", message: `From: x@evil.test\r\n${good}` },
    {
      name: "From that is not signed",
      message: by(victim, { signed: "to:subject:date" }),
    },
    { name: "signatures of the attacker on top", message: many },
    {
      name: "a signature that was copied",
      message: `${signatureOf(good)}${plain(undefined, "Pay")}`,
    },
    {
      name: "an ARC chain of the attacker that says all was well",
      message:
        "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=evil.test; s=s1; b=AAAA\r\n" +
        "ARC-Message-Signature: i=1; a=rsa-sha256; d=evil.test; s=s1; h=from; bh=AAAA; b=AAAA\r\n" +
        "ARC-Authentication-Results: i=1; gw.example.net; dmarc=pass header.from=victim.test\r\n" +
        plain(),
    },
    {
      name: "a Received-SPF of the victim",
      message: `Received-SPF: pass (gw.example.net: ok) client-ip=192.0.2.25\r\n${plain()}`,
    },
    {
      name: "an Authentication-Results of the victim",
      message: `Authentication-Results: gw.example.net; dmarc=pass\r\n${plain()}`,
    },
  ];
}

function signatureOf(message: string): string {
  return message.slice(0, message.indexOf("From:"));
}
