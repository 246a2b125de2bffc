import fc from "fast-check";
import type { LineKind, ModelLine } from "./session-model.ts";

/** What one client does, a step at a time: it reads all replies to a step before the next. */
export type Step =
  /** Lines in one go, cut anywhere. */
  | { readonly kind: "lines"; readonly lines: readonly ModelLine[]; readonly cuts: Cuts }
  /** Lines with DATA as the last; its message, and lines right behind it, when it is wanted. */
  | {
      readonly kind: "message";
      readonly lines: readonly ModelLine[];
      readonly body: string;
      readonly behind: readonly ModelLine[];
      readonly cuts: Cuts;
    }
  /** DATA and more in one segment. */
  | { readonly kind: "early"; readonly behind: string }
  /** STARTTLS, octets behind it in the same segment, and the handshake. */
  | { readonly kind: "tls"; readonly injected: string }
  /** Part of what would have been a step, then nothing more. */
  | {
      readonly kind: "leave";
      readonly octets: string;
      readonly how: "end" | "destroy" | "reset";
    };

type Cuts = readonly number[];

const LINES: Readonly<Partial<Record<LineKind, readonly string[]>>> = {
  hello: ["EHLO client.test", "ehlo client.test", "HELO client.test", "EHLO [192.0.2.1]  "],
  "bad-hello": ["EHLO", "EHLO a b", "HELO <x>", "EHLO a..b"],
  mail: ["MAIL FROM:<>", "MAIL FROM:<a@b.test>", "mail from: <a@b.test> size=10 BODY=8BITMIME"],
  "mail-utf8": ["MAIL FROM:<\u00fc@b.test> SMTPUTF8", "MAIL FROM:<a@b.test> SMTPUTF8"],
  "refused-mail": ["MAIL FROM:<blocked@client.test>", "MAIL FROM:<blocked@client.test> SMTPUTF8"],
  "too-large-mail": ["MAIL FROM:<a@b.test> SIZE=99999999"],
  "bad-mail": ["MAIL FROM:<@>", "MAIL FROM:<bob>>", "MAIL", "MAIL FROM:<a@b.test> SIZE=1 SIZE=1"],
  rcpt: ["RCPT TO:<bob@example.org>", "rcpt to: <bob@example.org>", "RCPT TO:<postmaster>"],
  "rcpt-utf8": ["RCPT TO:<\u00fc@example.org>"],
  "refused-rcpt": ["RCPT TO:<bob@elsewhere.test>", 'RCPT TO:<"bob@example.org"@elsewhere.test>'],
  "bad-rcpt": ["RCPT TO:<bob@example.org> X=1", "RCPT TO:<@a:b@example.org>", 'RCPT TO:<"a@b>'],
  "bad-argument": ["DATA now", "QUIT now"],
  "bad-idle": ["RSET x", "STARTTLS x"],
  rset: ["RSET", "rset ", "RSET"],
  noop: ["NOOP", "NOOP hello", `NOOP ${"x".repeat(2000)}`],
  help: ["HELP"],
  vrfy: ["VRFY bob", "VRFY <bob@example.org>"],
  "not-offered": ["EXPN x", "AUTH PLAIN", "ETRN x", "TURN"],
  bdat: ["BDAT 5 LAST"],
  quit: ["QUIT"],
  unknown: ["", " ", "FOO BAR", "GET / HTTP/1.1", "354", "\u00e9", ".", "MAILFROM:<>"],
};

const toLatin1 = (text: string): string => Buffer.from(text).toString("latin1");

const known = fc
  .constantFrom(...(Object.entries(LINES) as [LineKind, readonly string[]][]))
  .chain(([kind, texts]) =>
    fc.constantFrom(...texts.map((text) => ({ octets: toLatin1(text), kind }))),
  );
/** The way of a message, so that most sessions get that far. */
const usual = fc
  .constantFrom<LineKind>("hello", "mail", "rcpt", "rcpt", "noop", "rset")
  .chain((kind) =>
    fc.constantFrom(...(LINES[kind] ?? []).map((text) => ({ octets: toLatin1(text), kind }))),
  );
const octets = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((values) =>
    Buffer.from(values)
      .toString("latin1")
      .replaceAll(/[\r\n]/g, ""),
  );
const odd = fc.oneof(
  fc.record({
    octets: octets(20).map((text) => `X-${text}`),
    kind: fc.constant("unknown" as const),
  }),
  fc.record({
    octets: fc.string({ unit: "binary", maxLength: 20 }).map((s) => `MAIL FROM:<${oneLine(s)}>`),
    kind: fc.constant("any-mail" as const),
  }),
  fc.record({
    octets: fc.string({ maxLength: 12 }).map((s) => `RCPT TO:<${oneLine(s)}@example.org>`),
    kind: fc.constant("any-rcpt" as const),
  }),
  fc.record({
    octets: fc.constantFrom("\0", "NOOP \x1b", "RCPT TO:<b\0b@x.test>", "NOOP\t", "\xff\xfe"),
    kind: fc.constant("unknown" as const),
  }),
  fc.record({
    octets: fc.integer({ min: 2047, max: 9000 }).map((length) => "x".repeat(length)),
    kind: fc.constant("unknown" as const),
  }),
);
const bare = fc.constantFrom<ModelLine>(
  { octets: "NOOP\nRSET", kind: "unknown" },
  { octets: "NOOP\rRSET", kind: "unknown" },
  { octets: "NOOP\r", kind: "unknown" },
  { octets: "\n", kind: "unknown" },
);
const line = fc.oneof(
  { arbitrary: usual, weight: 12 },
  { arbitrary: known, weight: 6 },
  { arbitrary: odd, weight: 2 },
  { arbitrary: bare, weight: 1 },
);

const cuts = fc.array(fc.nat(80), { maxLength: 4 });
/** Ends where a reader that knows only CRLF.CRLF ends it. */
const body = fc
  .array(
    fc.oneof(
      {
        arbitrary: fc.constantFrom("\r\n", ".", "..", "text", "MAIL FROM:<>\r\n", "x\r\n"),
        weight: 5,
      },
      { arbitrary: fc.constantFrom("\r", "\n", "\0", "\r\n.\r", "\n.\r\n"), weight: 1 },
      { arbitrary: octets(30), weight: 1 },
    ),
    { maxLength: 10 },
  )
  .map((parts) => {
    const whole = `${parts.join("")}\r\n.\r\n`;
    const end = /(?<=^|\r\n)\.\r\n/.exec(whole);
    return whole.slice(0, (end?.index ?? 0) + 3);
  });

const OPENING: readonly ModelLine[] = (["hello", "mail", "rcpt"] as const).map((kind) => ({
  octets: LINES[kind]?.[0] ?? "",
  kind,
}));
const few = fc.array(line, { maxLength: 6 });
const beforeData = fc.oneof(few, fc.constant(OPENING), fc.constant(OPENING.slice(1)));

const step = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("lines" as const), lines: few, cuts }), weight: 5 },
  {
    arbitrary: fc.record({
      kind: fc.constant("message" as const),
      lines: beforeData,
      body,
      behind: fc.array(line, { maxLength: 3 }),
      cuts,
    }),
    weight: 6,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("early" as const),
      behind: fc.constantFrom("x", "hi\r\n.\r\n", "QUIT\r\n", "\r\n"),
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("tls" as const),
      injected: fc.constantFrom("", "NOOP\r\n", "MAIL FROM:<>\r\nRCPT TO:<bob@exam", "\0", "\r\n"),
    }),
    weight: 1,
  },
);
const leave = fc.record({
  kind: fc.constant("leave" as const),
  octets: fc
    .tuple(fc.oneof(beforeData, few), body, fc.nat(300))
    .map(([lines, text, length]) => `${toWire(lines)}DATA\r\n${text}`.slice(0, length)),
  how: fc.constantFrom("end", "destroy", "reset"),
});

/** Most sessions say farewell or are simply done; some are left in the middle. */
export const sessionScript: fc.Arbitrary<readonly Step[]> = fc
  .tuple(fc.array(step, { maxLength: 6 }), fc.option(leave, { freq: 3, nil: null }))
  .map(([steps, last]) => (last === null ? steps : [...steps, last]));

export function toWire(lines: readonly ModelLine[]): string {
  return lines.map(({ octets: text }) => `${text}\r\n`).join("");
}

/** UTF-8 as latin1 octets, without line ends. */
function oneLine(text: string): string {
  return toLatin1(text.replaceAll(/[\r\n]/g, ""));
}
