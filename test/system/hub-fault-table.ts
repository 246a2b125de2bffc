import type { HubAction, HubEvent, HubOptions, HubStep } from "../support/scripted-hub.ts";

/** `healed` resolves when the hub gets well. Undefined: the usual. */
type Script = (event: HubEvent, healed: Promise<void>) => HubAction | Promise<HubAction>;

/** How a hub misbehaves until it is healed, and what must become of the mail meanwhile. */
export interface HubFault {
  readonly title: string;
  /** What the hub does while it is ill. */
  readonly script?: Script;
  readonly hub?: Pick<HubOptions, "capabilities" | "tls">;
  readonly tls?: "none" | "opportunistic" | "required" | "verified";
  readonly message?: string;
  readonly sender?: string;
  readonly parameters?: string;
  /**
   * `kept`: 250, and delivered once the hub is well. `passed-on`: the client hears it and nothing is
   * kept. `at-once`: delivered although the hub is ill.
   */
  readonly outcome: "kept" | "passed-on" | "at-once";
  /** `kept`: in the words of explain. `passed-on`: in the reply to the client. */
  readonly tells: RegExp;
  /** The final dot was spoken and not answered: only then a second copy may come. */
  readonly isAfterDot?: boolean;
  readonly usesTls?: boolean;
  /** It stays so, and the mail where it is. */
  readonly isIncurable?: boolean;
  /** Who has time, a retry, waits for it: nothing can be told until the hub ends it. */
  readonly isHanging?: boolean;
}

const at =
  (step: HubStep, action: HubAction): Script =>
  (event) =>
    event.step === step ? action : undefined;

/** RFC 5321 4.5.3.2 lets a client wait for minutes, so that what ends it is the hub's own end. */
const hangs = (step: HubStep): HubFault => ({
  title: `hangs at ${step}`,
  script: async (event, healed) => {
    if (event.step !== step) return undefined;
    await healed;
    return { drop: true };
  },
  outcome: "kept",
  tells: /within|time|closed by us|waiting for the answer/,
  isHanging: true,
});

const drops = (step: HubStep): HubFault => ({
  title: `closes at ${step}`,
  script: at(step, { drop: true }),
  outcome: "kept",
  tells: /closed|ended|hang|ECONNRESET/i,
});

const leaves = (step: HubStep): HubFault => ({
  title: `says 421 at ${step} and closes`,
  script: at(step, { drop: true, reply: "421 4.3.2 Going down" }),
  outcome: "kept",
  tells: /421 4\.3\.2 Going down/,
});

const says = (step: HubStep, reply: string): HubFault => ({
  title: `says ${reply.slice(0, 3)} at ${step}`,
  script: at(step, reply),
  outcome: "passed-on",
  tells: new RegExp(`^${reply.slice(0, 9).replaceAll(".", "\\.")}`),
});

const EIGHT_BIT =
  "From: <carol@friend.test>\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nGr\u00fc\u00dfe\r\n";
const LARGE = `From: <carol@friend.test>\r\nSubject: large\r\n\r\n${"x".repeat(70)}\r\n`.padEnd(
  3000,
  "y\r\n",
);

export const HUB_FAULTS: readonly HubFault[] = [
  hangs("connect"),
  hangs("ehlo"),
  hangs("mail"),
  hangs("rcpt"),
  hangs("data"),
  { ...hangs("dot"), isAfterDot: true },
  {
    title: "closes after the final dot, before the answer",
    script: at("dot", { drop: true }),
    outcome: "kept",
    tells: /closed|ended|waiting/i,
    isAfterDot: true,
  },
  drops("connect"),
  drops("ehlo"),
  drops("mail"),
  drops("rcpt"),
  { ...drops("data"), title: "closes instead of 354" },
  {
    title: "closes behind its 354",
    script: at("data", { drop: true, reply: "354 go ahead" }),
    outcome: "kept",
    tells: /closed|ended|taken|EPIPE|ECONNRESET|waiting/i,
    // A short message is out, dot and all, before we can know that nobody listens.
    isAfterDot: true,
  },
  leaves("connect"),
  leaves("mail"),
  leaves("rcpt"),
  leaves("data"),
  leaves("dot"),
  says("mail", "450 4.3.0 Not now"),
  says("mail", "550 5.7.1 Not you"),
  says("rcpt", "450 4.2.1 Full for now"),
  says("rcpt", "550 5.1.1 Nobody here"),
  says("data", "451 4.3.0 Not now"),
  says("data", "554 5.3.0 No more"),
  says("dot", "452 4.3.1 No room"),
  says("dot", "554 5.7.9 Not that"),
  {
    title: "greets with something else than SMTP",
    script: at("connect", "HTTP/1.1 400 Bad Request"),
    outcome: "kept",
    tells: /greeting|reply|400|Invalid/i,
  },
  {
    title: "answers what was not asked",
    script: at("mail", "250 2.1.0 ok\r\n250 2.1.5 ok"),
    outcome: "kept",
    // Where replies to pipelined commands are due, one too many is noticed at the last of them.
    tells: /not asked|250 instead of 354/,
  },
  {
    title: "answers in words without a code",
    script: at("rcpt", "well, why not"),
    outcome: "kept",
    tells: /no SMTP reply|not asked/,
  },
  {
    title: "breaks the TLS that it offers, where TLS may be left out",
    script: at("starttls", { drop: true, reply: "220 ready" }),
    hub: { capabilities: ["STARTTLS"] },
    tls: "opportunistic",
    outcome: "at-once",
    tells: /^250 /,
  },
  {
    title: "breaks the TLS that it offers, where TLS is required",
    script: at("starttls", { drop: true, reply: "220 ready" }),
    hub: { capabilities: ["STARTTLS"] },
    tls: "required",
    outcome: "kept",
    // It never gets well: whoever can break the handshake must not get the mail.
    isIncurable: true,
    tells: /TLS|SSL|closed|no session|ECONN/i,
  },
  {
    title: "sends bytes behind its STARTTLS answer, which count for nothing",
    script: at("starttls", { reply: "220 ready", inject: "250-injected\r\n250 SIZE 1\r\n" }),
    hub: { tls: true },
    tls: "required",
    outcome: "at-once",
    usesTls: true,
    tells: /^250 /,
  },
  {
    title: "shows a certificate for somebody else, where it must be its own",
    hub: { tls: true },
    tls: "verified",
    outcome: "kept",
    isIncurable: true,
    tells: /certificate|self-signed/i,
  },
  {
    title: "refuses STARTTLS where it is required",
    script: at("starttls", "454 4.7.0 TLS not available"),
    hub: { tls: true },
    tls: "required",
    outcome: "kept",
    tells: /454|TLS|STARTTLS/i,
  },
  {
    title: "offers no 8BITMIME to an 8-bit message",
    hub: { capabilities: ["PIPELINING", "SMTPUTF8"] },
    message: EIGHT_BIT,
    parameters: "BODY=8BITMIME",
    outcome: "passed-on",
    tells: /^554 5\.6\.3 /,
  },
  {
    title: "offers no SMTPUTF8 to an internationalised sender",
    hub: { capabilities: ["PIPELINING", "8BITMIME"] },
    sender: "j\u00f6rg@friend.test",
    parameters: "SMTPUTF8",
    outcome: "passed-on",
    tells: /^550 5\.6\.7 /,
  },
  {
    title: "takes less than the message has",
    hub: { capabilities: ["PIPELINING", "8BITMIME", "SIZE 2000"] },
    message: LARGE,
    outcome: "passed-on",
    tells: /^552 5\.3\.4 /,
  },
  {
    title: "offers 8BITMIME and refuses to be told of it",
    script: ({ step, line }) =>
      step === "mail" && line.includes("BODY=") ? "555 5.5.4 What is BODY?" : undefined,
    message: EIGHT_BIT,
    parameters: "BODY=8BITMIME",
    outcome: "passed-on",
    tells: /^555 5\.5\.4 /,
  },
  {
    title: "offers a size that it does not keep",
    script: at("dot", "552 5.3.4 Too large after all"),
    hub: { capabilities: ["SIZE 50000000"] },
    outcome: "passed-on",
    tells: /^552 5\.3\.4 /,
  },
  {
    title: "offers PIPELINING and cannot do it",
    script: ({ step }) => (step === "rcpt" ? { drop: true } : undefined),
    outcome: "kept",
    tells: /closed|ended|ECONNRESET/i,
  },
];
