/** One sample: who sends what to whom, and what a postmaster should expect. */
export interface Sample {
  readonly title: string;
  /** A loopback address to send from. */
  readonly from: string;
  readonly sender: string;
  readonly recipient: string;
  readonly message: string;
}

export const DEMO_DOMAIN = "example.org";
export const DEMO_PEOPLE: readonly string[] = ["alice@example.org", "bob@example.org"];
export const DEMO_ZONE = "dnsbl.demo.test";

/** The addresses that the samples come from, and what the demo's DNS says of them. */
const CLEAN_CLIENT = "127.0.0.10";
const LISTED_CLIENT = "127.0.0.66";

/** Answers of the demo's DNS server: SPF of two senders, a DNSBL with its canary. */
export function demoZone(): ReadonlyMap<string, readonly string[]> {
  const listed = LISTED_CLIENT.split(".").reverse().join(".");
  return new Map([
    ["TXT friend.test", [`v=spf1 ip4:${CLEAN_CLIENT} -all`]],
    ["TXT bank.test", ["v=spf1 ip4:192.0.2.1 -all"]],
    [`A ${listed}.${DEMO_ZONE}`, ["127.0.0.2"]],
    [`TXT ${listed}.${DEMO_ZONE}`, [`https://${DEMO_ZONE}/why?ip=${LISTED_CLIENT}`]],
    // RFC 5782 5: 127.0.0.2 is always listed, 127.0.0.1 never.
    [`A 2.0.0.127.${DEMO_ZONE}`, ["127.0.0.2"]],
    [`TXT 2.0.0.127.${DEMO_ZONE}`, ["test entry"]],
  ]);
}

export function demoSamples(date: string): readonly Sample[] {
  const to = "alice@example.org";
  return [
    sample("Clean mail", CLEAN_CLIENT, "carol@friend.test", to, text("Lunch on Friday?", date)),
    sample("EICAR test virus", CLEAN_CLIENT, "carol@friend.test", to, virus(date)),
    sample("Forbidden attachment", CLEAN_CLIENT, "carol@friend.test", to, program(date)),
    sample("Forged sender", "127.0.0.13", "ceo@bank.test", to, text("Urgent transfer", date)),
    sample("Listed client", LISTED_CLIENT, "win@prize.test", to, text("You have won", date)),
    sample(
      "Unknown recipient",
      CLEAN_CLIENT,
      "carol@friend.test",
      "nobody@example.org",
      text("Hi", date),
    ),
    sample(
      "Relay attempt",
      CLEAN_CLIENT,
      "carol@friend.test",
      "victim@elsewhere.test",
      text("Hi", date),
    ),
  ];
}

function sample(
  title: string,
  from: string,
  sender: string,
  recipient: string,
  body: string,
): Sample {
  const head = `From: <${sender}>\r\nTo: <${recipient}>\r\n`;
  return { title, from, sender, recipient, message: head + body };
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
