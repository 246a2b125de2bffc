import type { CommandPort } from "../control/control.ts";
import type { TransactionRecord } from "../pipeline/facts.ts";
import type { TransactionStory } from "../tracking/tracking.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { describeDecision, describeFate } from "./explain-fate.ts";
import { describeStages } from "./explain-stages.ts";
import { signingRows } from "./signing-sentences.ts";
import { formatBytes, formatSpan, formatTime } from "./time-words.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

/** `postern explain ID`: the whole story of one transaction, in words. */
export async function explainCommand(
  { out, json }: CliContext,
  port: CommandPort,
  id: string,
): Promise<number> {
  const [story] = (await port.call("explain", { id })) as readonly [TransactionStory];
  if (json) out(toJsonLine(story));
  else for (const line of describeStory(story)) out(line);
  return EXIT.ok;
}

/** Lines for a terminal: whatever mail put into them is visible and moves nothing. */
export function describeStory({ record, fate }: TransactionStory): readonly string[] {
  const events = describeFate(fate);
  return [
    ...describeMail(record),
    "",
    "What the stages saw",
    ...describeStages(record.reports),
    "",
    "Decision",
    ...describeDecision(record).map(indent),
    "",
    "Fate",
    ...(events.length > 0 ? events : ["nothing more happened"]).map(indent),
  ].map(toVisible);
}

/** Who is judged where a trusted relay brought it. */
function describeOrigin({ origin }: TransactionRecord): readonly (readonly [string, string])[] {
  if (origin === undefined) return [];
  if (origin === null) return [["origin", "nobody can tell where the trusted relay has it from"]];
  const said = origin.helo === null ? "" : `, which said ${origin.helo}`;
  return [["origin", `${origin.ip}${said}: judged in place of the trusted relay`]];
}

function describeMail(record: TransactionRecord): readonly string[] {
  const { id, decidedAt, receivedAt, policyVersion, client, listener, helo, tls } = record;
  const took = formatSpan(decidedAt - receivedAt);
  const channel = tls ? `over ${tls.protocol} ${tls.cipher}` : "without TLS";
  const rows: (readonly [string, string])[] = [
    ["decided", `${formatTime(decidedAt)} UTC, ${took} after the start, policy ${policyVersion}`],
    [
      "client",
      `${client.ip} port ${client.port}${through(client.via)}, at ${listener.name} (${listener.hostname})`,
    ],
    ...describeOrigin(record),
    ["said", `${helo.verb} ${helo.name}, ${channel}`],
    ...describeRelay(record),
    ...(record.pipeline ? [["pipeline", record.pipeline] as const] : []),
    ["sender", `<${record.sender}>`],
    ["recipients", record.recipients.map(({ address }) => `<${address}>`).join(", ") || "none"],
    ...describeMessage(record),
    ...signingRows(record.signing ?? []),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `Transaction ${id}`,
    ...rows.map(([name, text]) => indent(`${name.padEnd(width)}  ${text}`)),
  ];
}

function describeRelay({ tls, relay }: TransactionRecord): readonly (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  const client = tls?.client;
  if (client?.kind === "verified")
    rows.push(["certificate", `${client.subject}, verified by ${BY[client.by]}`]);
  if (client?.kind === "refused")
    rows.push(["certificate", `${client.subject}, refused: ${client.reason}`]);
  if (relay?.by === "password") rows.push(["may relay", `because it logged on as ${relay.user}`]);
  if (relay?.by === "network")
    rows.push(["may relay", `because the address is within ${relay.network} of the hub listener`]);
  if (relay?.by === "certificate")
    rows.push(["may relay", `because of its certificate ${relay.fingerprint256}`]);
  return rows;
}

const BY = { ca: "the listener's authority", pin: "its fingerprint" } as const;

function describeMessage({ message }: TransactionRecord): readonly (readonly [string, string])[] {
  if (message === null) return [["message", "none came"]];
  return [
    ["from", message.from ?? "none"],
    ["subject", message.subject ?? "none"],
    ["message", `${formatBytes(message.size)}, ${message.messageId ?? "no Message-ID"}`],
    ["sha256", message.sha256],
  ];
}

function indent(line: string): string {
  return `  ${line}`;
}

function through(proxy: string | undefined): string {
  return proxy === undefined ? "" : ` through the proxy ${proxy}`;
}
