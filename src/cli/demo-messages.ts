import type { SentSample } from "./demo-sender.ts";

/** One sample: who sends what to whom, and what must become of it. */
export interface Sample {
  readonly title: string;
  /** A loopback address to send from. */
  readonly client: string;
  readonly helo: string;
  readonly sender: string;
  readonly recipient: string;
  readonly message: string;
  readonly promise: SentSample["fate"];
  /** How the reply must begin, when the sample is refused. */
  readonly reply?: string;
  readonly needsScanner?: boolean;
}

export const DEMO_DOMAIN = "example.org";
export const DEMO_PEOPLE: readonly string[] = ["alice@example.org", "bob@example.org"];
export const DEMO_ZONE = "dnsbl.demo.test";

/** The addresses that the samples come from, and what the demo's DNS says of them. */
const CLEAN_CLIENT = "127.0.0.10";
const LISTED_CLIENT = "127.0.0.66";

/** Answers of the demo's DNS server: SPF of the senders, a DMARC policy, a DNSBL with its canary. */
export function demoZone(): ReadonlyMap<string, readonly string[]> {
  const listed = LISTED_CLIENT.split(".").reverse().join(".");
  return new Map<string, readonly string[]>([
    ...["friend.test", "bank.test", "strict.test", "prize.test"].map(
      (sender) => [`A ${sender}`, ["192.0.2.1"]] as const,
    ),
    ["TXT friend.test", [`v=spf1 ip4:${CLEAN_CLIENT} -all`]],
    ["TXT bank.test", ["v=spf1 ip4:192.0.2.1 -all"]],
    ["TXT strict.test", ["v=spf1 ip4:192.0.2.1 -all"]],
    ["TXT _dmarc.strict.test", ["v=DMARC1; p=reject"]],
    [`A ${listed}.${DEMO_ZONE}`, ["127.0.0.2"]],
    [`TXT ${listed}.${DEMO_ZONE}`, [`https://${DEMO_ZONE}/why?ip=${LISTED_CLIENT}`]],
    // RFC 5782 5: 127.0.0.2 is always listed, 127.0.0.1 never.
    [`A 2.0.0.127.${DEMO_ZONE}`, ["127.0.0.2"]],
    [`TXT 2.0.0.127.${DEMO_ZONE}`, ["test entry"]],
  ]);
}

export function demoSamples(date: string): readonly Sample[] {
  const carol = person(CLEAN_CLIENT, "carol@friend.test");
  const stranger = person(LISTED_CLIENT, "win@prize.test");
  const forger = person("127.0.0.13", "ceo@bank.test");
  const impostor = person("127.0.0.14", "ceo@strict.test");
  const refused = (reply: string) => ({ promise: "refused", reply }) as const;
  return [
    carol("Clean mail", text("Lunch on Friday?", date), { promise: "delivered" }),
    carol("EICAR test virus", virus(date), { ...refused("550 5.7.1 "), needsScanner: true }),
    carol("Forbidden attachment", program(date), refused("550 5.7.1 Attachment")),
    forger("Forged sender", text("Urgent transfer", date), { promise: "delivered, marked" }),
    impostor(
      "Forged, p=reject",
      text("Pay at once", date),
      refused("550 5.7.1 Refused by the DMARC"),
    ),
    stranger("Listed client", text("You have won", date), refused("550 5.7.1 Service unavailable")),
    carol("Unknown recipient", text("Hi", date), refused("550 5.1.1 "), "nobody@example.org"),
    carol("Relay attempt", text("Hello", date), refused("550 5.7.1 Relaying"), "x@elsewhere.test"),
  ];
}

type Expectation = Pick<Sample, "promise" | "reply" | "needsScanner">;

function person(client: string, sender: string) {
  const helo = `mail.${sender.slice(sender.indexOf("@") + 1)}`;
  return (
    title: string,
    body: string,
    expected: Expectation,
    recipient = "alice@example.org",
  ): Sample => {
    const message = `From: <${sender}>\r\nTo: <${recipient}>\r\n${body}`;
    return { title, client, helo, sender, recipient, message, ...expected };
  };
}

function text(subject: string, date: string): string {
  return `Subject: ${subject}\r\nDate: ${date}\r\nMessage-ID: <${slug(subject)}@demo.test>\r\n\r\nHello,\r\n.this line starts with a dot\r\n`;
}

function virus(date: string): string {
  // The EICAR test string, in pieces: no scanner shall find it in our own source.
  const eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
  return withAttachment("Your invoice", "invoice.txt", "text/plain", eicar.join(""), date);
}

function program(date: string): string {
  return withAttachment(
    "Holiday pictures",
    "pictures.jpg.exe",
    "image/jpeg",
    "not a picture",
    date,
  );
}

function withAttachment(
  subject: string,
  name: string,
  type: string,
  content: string,
  date: string,
): string {
  return [
    `Subject: ${subject}`,
    `Date: ${date}`,
    `Message-ID: <${slug(subject)}@demo.test>`,
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="b1"',
    "",
    "--b1",
    "Content-Type: text/plain",
    "",
    "See the attachment.",
    "--b1",
    `Content-Type: ${type}; name="${name}"`,
    `Content-Disposition: attachment; filename="${name}"`,
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.from(content).toString("base64"),
    "--b1--",
    "",
  ].join("\r\n");
}

function slug(subject: string): string {
  return subject.toLowerCase().replace(/[^a-z]+/g, "-");
}
