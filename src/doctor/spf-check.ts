import { checkSpf } from "../auth/spf/check-spf.ts";
import { isSpfRecord, parseSpfRecord } from "../auth/spf/spf-record.ts";
import { type Clock, startDeadline } from "../base/clock.ts";
import type { Address } from "../mail/address.ts";
import { createLookupScope, type Resolver } from "../net/resolver.ts";
import type { DoctorCheck, Finding } from "./doctor.ts";
import {
  findSendingAddresses,
  type SendingAddresses,
  type SendingQuestion,
} from "./sending-addresses.ts";
import { countSpfLookups, MAX_SPF_LOOKUPS } from "./spf-lookups.ts";
import { proposeSpf } from "./spf-proposal.ts";

export interface SpfCheckInput extends Omit<SendingQuestion, "resolver" | "scope"> {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** For all that one domain makes us ask. */
const PATIENCE_MS = 30_000;
const QUERIES_PER_DOMAIN = 200;
/** Of the ten look-ups; who includes others' records does not rule how many they have. */
const MANY_LOOKUPS = 8;

/** Whether receivers of our mail find us in the SPF records of our domains, and what to publish. */
export function spfCheck(input: SpfCheckInput): DoctorCheck {
  return {
    name: "spf",
    async run() {
      const { domains, clock } = input;
      const deadline = startDeadline(clock, PATIENCE_MS);
      const scope = createLookupScope(deadline.signal, QUERIES_PER_DOMAIN);
      const sending = await findSendingAddresses({ ...input, scope }).finally(deadline.clear);
      if (isNothing(sending))
        return [{ subject: "routes", status: "ok", detail: "no connector sends to other domains" }];
      const names = domains.all.map(({ name }) => name).filter((name) => !name.startsWith("*"));
      const { tlsReports, dmarcReports } = input.routing;
      const senders = [tlsReports, dmarcReports].flatMap((one) => one?.from.domain ?? []);
      const subjects = [...new Set([...names, ...senders, ...sending.ehloNames])];
      const findings: Finding[] = [...describeSending(sending)];
      for (const subject of subjects) findings.push(...(await lookAt(subject, sending, input)));
      return findings;
    },
  };
}

function isNothing({ ehloNames, smarthosts }: SendingAddresses): boolean {
  return ehloNames.length === 0 && smarthosts.length === 0;
}

function describeSending({ addresses, inner, smarthosts }: SendingAddresses): readonly Finding[] {
  const findings: Finding[] = [];
  const subject = "addresses";
  if (addresses.length > 0)
    findings.push({ subject, status: "ok", detail: `mail leaves from ${addresses.join(", ")}` });
  else if (smarthosts.length === 0) {
    const detail =
      "no public address is known: the records must name the one that the internet sees, not one" +
      " of your network (--ip ADDRESS tells it, an A record of the EHLO name does too)";
    findings.push({ subject, status: "warn", detail });
  }
  if (inner.length > 0 && addresses.length === 0) {
    const detail = `${inner.join(", ")} means nothing outside, and does not belong into a record`;
    findings.push({ subject, status: "warn", detail });
  }
  if (smarthosts.length > 0) {
    const detail =
      `mail for others also leaves through ${smarthosts.join(", ")}: its owner says what to` +
      " include in your records";
    findings.push({ subject: "smarthosts", status: "warn", detail });
  }
  return findings;
}

async function lookAt(
  subject: string,
  sending: SendingAddresses,
  input: SpfCheckInput,
): Promise<readonly Finding[]> {
  const deadline = startDeadline(input.clock, PATIENCE_MS);
  const scope = createLookupScope(deadline.signal, QUERIES_PER_DOMAIN);
  try {
    const answer = await input.resolver.lookup(subject, "TXT", scope);
    if (answer.kind === "temporary" || answer.kind === "exhausted")
      return [{ subject, status: "fail", detail: `DNS does not tell: ${answer.reason}` }];
    const texts = answer.kind === "found" ? answer.records.filter(isSpfRecord) : [];
    const [text = null, ...others] = texts;
    if (others.length > 0) {
      const detail = `${texts.length} SPF records, which counts as an error: publish one`;
      return [{ subject, status: "fail", detail }];
    }
    const missing = await missingAddresses(subject, sending, input, scope);
    const faults = text === null ? [] : await faultsOf(text, input, scope);
    const findings = [...faults, ...missing.findings].map((one) => ({ ...one, subject }));
    const isOpen = text !== null && /(?:^| )[+?]?all(?: |$)/i.test(text);
    if (text !== null && missing.addresses.length === 0 && !isOpen)
      return findings.length > 0 ? findings : [{ subject, status: "ok", detail: text }];
    return [...findings, toProposal(subject, text, missing.addresses)];
  } finally {
    deadline.clear();
  }
}

function toProposal(subject: string, text: string | null, missing: readonly string[]): Finding {
  const status = "warn";
  const proposed = proposeSpf(text, missing);
  const now = text === null ? "has no SPF record" : `has ${text}`;
  return { subject, status, detail: `${now}; publish: ${subject}. TXT "${proposed}"` };
}

type Note = Omit<Finding, "subject">;

/** Asked as a receiver would ask. */
async function missingAddresses(
  domain: string,
  { addresses }: SendingAddresses,
  { resolver, hostname, clock }: SpfCheckInput,
  scope: Parameters<typeof checkSpf>[2],
): Promise<{ readonly addresses: readonly string[]; readonly findings: readonly Note[] }> {
  const sender: Address = { spoken: `postmaster@${domain}`, localPart: "postmaster", domain };
  const question = { sender, helo: hostname, receiver: hostname, receivedAt: clock.now() };
  const missing: string[] = [];
  const findings: Note[] = [];
  for (const ip of addresses) {
    const { result, problem } = await checkSpf({ ...question, ip }, resolver, scope);
    if (result === "pass") continue;
    if (result !== "permerror" && result !== "temperror") missing.push(ip);
    if (result === "none") continue;
    const why = problem === null ? "" : ` (${problem})`;
    findings.push({ status: "fail", detail: `mail from ${ip} gets ${result}${why}` });
  }
  return { addresses: missing, findings };
}

async function faultsOf(
  text: string,
  { resolver }: SpfCheckInput,
  scope: Parameters<typeof checkSpf>[2],
): Promise<readonly Note[]> {
  const parsed = parseSpfRecord(text);
  if (parsed.kind === "syntax-error")
    return [{ status: "fail", detail: `${text} is no valid record: ${parsed.reason}` }];
  const { directives, redirect } = parsed.record;
  const notes: Note[] = [];
  const note = (status: Note["status"], detail: string) => void notes.push({ status, detail });
  const count = await countSpfLookups(text, resolver, scope);
  if (count > MAX_SPF_LOOKUPS)
    note("fail", `it makes receivers look up ${count} names, and ${MAX_SPF_LOOKUPS} are the limit`);
  else if (count >= MANY_LOOKUPS)
    note(
      "warn",
      `it makes receivers look up ${count} names of ${MAX_SPF_LOOKUPS} that are allowed`,
    );
  if (directives.some(({ mechanism }) => mechanism.kind === "ptr"))
    note("warn", "ptr is slow, and many receivers ignore it (RFC 7208 5.5)");
  const all = directives.find(({ mechanism }) => mechanism.kind === "all");
  if (all?.qualifier === "+") note("fail", `${all.text} lets everybody send in its name`);
  else if (all?.qualifier === "?") note("warn", `${all.text} says nothing about all others`);
  else if (all?.qualifier === "~")
    note("warn", "~all only marks what others send; -all once nothing honest fails any more");
  else if (!all && !redirect) note("warn", "it has no all at its end: add -all");
  return notes;
}
