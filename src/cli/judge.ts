import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { errorText, formatProblem, PolicyError } from "../base/errors.ts";
import { createSilentLog } from "../base/log.ts";
import { openJudge } from "../compose-commands.ts";
import { type JudgeAnswer, judgeFile } from "../gateway/judge-file.ts";
import { type Address, parseMailbox } from "../mail/address.ts";
import type { Message, MessageStore } from "../mail/message.ts";
import { canonicalIp } from "../net/ip.ts";
import { loadSettings } from "../settings.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { signingRows } from "./signing-sentences.ts";
import { renderTable } from "./table.ts";
import { toJsonLine } from "./visible-text.ts";

export interface JudgeOptions {
  readonly file: string;
  readonly ip: string;
  readonly helo: string;
  /** "" or "<>" for the null sender. */
  readonly from: string;
  readonly to: readonly string[];
  /** As mail of somebody who may relay. */
  readonly outbound?: boolean;
  /** The name he logged on with; means outbound. */
  readonly user?: string | undefined;
}

/** What the gateway would do with a file, stage by stage, with real DNS and scanner. */
export async function judgeCommand(context: CliContext, options: JudgeOptions): Promise<number> {
  try {
    const envelope = parseEnvelope(options);
    const { env, cwd, settingsFile } = context;
    const settings = await loadSettings({ env, cwd, file: settingsFile });
    const judge = await openJudge(settings, createSilentLog());
    try {
      const message = await readMessage(judge.messages, resolve(cwd, options.file));
      const { hostname } = settings;
      const answer = await judgeFile(judge, { message, hostname, helo: options.helo, ...envelope });
      await message.dispose();
      context.out(context.json ? toJsonLine(answer) : describe(answer, envelope.outbound));
      return answer.action === "relay" ? EXIT.ok : EXIT.negative;
    } finally {
      await judge.close();
    }
  } catch (error) {
    const lines =
      error instanceof PolicyError ? error.problems.map(formatProblem) : [errorText(error)];
    for (const line of lines) context.err(line);
    return EXIT.usage;
  }
}

function parseEnvelope({ ip, from, to, user, outbound = false }: JudgeOptions) {
  const client = canonicalIp(ip);
  if (client === null) throw new Error(`--ip: expected an IP address, got ${ip}`);
  const isNull = from === "" || from === "<>";
  return {
    ip: client,
    outbound: outbound || user !== undefined,
    user,
    sender: isNull ? null : requireAddress("--from", from),
    recipients: to.map((text) => requireAddress("--to", text)),
  };
}

function requireAddress(option: string, text: string): Address {
  const address = parseMailbox(text);
  if (!address) throw new Error(`${option}: expected an address, got ${text}`);
  return address;
}

/** Files on disk often end lines with a bare LF; on the wire there is no such thing. */
async function readMessage(messages: MessageStore, path: string): Promise<Message> {
  const draft = messages.draft();
  try {
    let endedInCr = false;
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      await draft.write(withCrlf(chunk, endedInCr));
      endedInCr = chunk.at(-1) === CR;
    }
    return await draft.finish();
  } catch (error) {
    await draft.abort();
    throw error;
  }
}

const CR = 13;

function withCrlf(chunk: Buffer, afterCr: boolean): Buffer {
  const text = chunk.toString("latin1").replace(/\r?\n/g, "\r\n");
  const bytes = Buffer.from(text, "latin1");
  // A CRLF cut in two: its CR went out with the chunk before.
  return afterCr && bytes[0] === CR && chunk[0] !== CR ? bytes.subarray(1) : bytes;
}

const COLUMNS = ["Phase", "Stage", "Outcome", "Verdict", "Took", "Findings"].map((title) => ({
  title,
}));

function describe(answer: JudgeAnswer, outbound: boolean): string {
  const rows = answer.stages.map(({ stage, phase, recipient, outcome, ms, verdict, findings }) => [
    phase,
    recipient ? `${stage} ${recipient}` : stage,
    outcome,
    verdict,
    `${ms} ms`,
    findings
      .map(({ symbol, score, detail }) => `${symbol} ${score}${detail ? ` (${detail})` : ""}`)
      .join(", "),
  ]);
  const why = answer.cause ? ` because of ${answer.cause}` : "";
  return [
    ...renderTable(COLUMNS, rows, null),
    "",
    `${answer.action}${why}, score ${answer.score}, SCL ${answer.scl}`,
    answer.reply,
    ...describeSigning(answer, outbound),
  ].join("\n");
}

/** Where it is taken: of mail of ours that has no signature this is told as well. */
function describeSigning({ action, signing }: JudgeAnswer, outbound: boolean): readonly string[] {
  const isTaken = action === "relay" || action === "quarantine";
  if (outbound && isTaken && signing.length === 0)
    return ["not signed, because signing.yaml has no keys"];
  return signingRows(signing).map(([title, text]) =>
    text.startsWith("because ") ? `${title}, ${text}` : `${title} ${text}`,
  );
}
