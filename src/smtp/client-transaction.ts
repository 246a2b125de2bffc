import { errorText } from "../base/errors.ts";
import type { Envelope, EnvelopeRecipient } from "../mail/envelope.ts";
import type { MessageSource } from "../mail/message.ts";
import { isSpeakable, toMailCommand, toRcptCommand } from "./client-commands.ts";
import { toWireData, toWireOctets, UnsendableOctet } from "./client-data.ts";
import { localReply } from "./client-reply.ts";
import type { Answer, ClientSession, Lost } from "./client-session.ts";
import type { ClientTimes } from "./client-times.ts";
import type { RecipientFate, RemoteCapabilities, RemoteReply, SendOutcome } from "./smtp-client.ts";

export interface Transaction {
  readonly session: ClientSession;
  readonly capabilities: RemoteCapabilities;
  readonly times: ClientTimes;
  readonly envelope: Envelope;
  readonly source: MessageSource;
  readonly onDot: () => void;
}

const FINAL_DOT = Buffer.from(".\r\n");
/** One write of a larger message. */
const BLOCK_BYTES = 65_536;
/**
 * A message within this leaves with its dot in one write: a socket takes so much at once, so that
 * the dot could not be taken back any more either when it came in a write of its own.
 */
const SMALL_BYTES = 16_384;
const UNSPEAKABLE = localReply(553, "5.1.3", "address cannot be spoken in SMTP");

/** One message over one session, from MAIL to the answer to the final dot. Never throws. */
export async function runTransaction(transaction: Transaction): Promise<SendOutcome> {
  const { session, envelope, times } = transaction;
  if (envelope.sender && !isSpeakable(envelope.sender)) return toAllRefused(envelope, UNSPEAKABLE);
  const { answers, data } = await speakEnvelope(transaction);
  const spoken: RecipientFate[] = [];
  for (const answer of answers) {
    if (answer.kind === "lost") return toUnsent(answer);
    spoken.push(toFate(answer.reply));
  }
  if (!spoken.some((fate) => fate.kind === "accepted")) {
    await leaveEmpty(transaction, data);
    return { kind: "answered", fates: spoken };
  }
  const answer = data ?? (await session.exchange("DATA", times.dataStartMs));
  if (answer.kind === "lost") return toUnsent(answer);
  if (answer.reply.code === 354) return sendData(transaction, spoken);
  if (answer.reply.code >= 400) return toAnswered(spoken, answer.reply);
  session.fail(`${answer.reply.code} instead of 354`);
  return toUnsent(session.lost);
}

/** One answer a recipient; to DATA, when it was spoken with them. */
interface Spoken {
  readonly answers: readonly Answer[];
  readonly data: Answer | null;
}

/**
 * MAIL and every RCPT; a refused MAIL answers for all of them. With PIPELINING they go out together,
 * and DATA with them (RFC 2920 3.1): one write and one wake-up of both sides less.
 */
async function speakEnvelope(transaction: Transaction): Promise<Spoken> {
  const { session, capabilities, times, envelope, source } = transaction;
  const speakMail = () =>
    session.exchange(toMailCommand(envelope, source.size, capabilities), times.mailMs);
  const speakRcpt = (recipient: EnvelopeRecipient): Promise<Answer> =>
    isSpeakable(recipient.address)
      ? session.exchange(toRcptCommand(recipient, capabilities), times.rcptMs)
      : Promise.resolve({ kind: "reply", reply: UNSPEAKABLE });
  if (!capabilities.pipelining) {
    const mail = await speakMail();
    if (!isAccepted(mail)) return { answers: envelope.recipients.map(() => mail), data: null };
    const answers: Answer[] = [];
    for (const recipient of envelope.recipients) answers.push(await speakRcpt(recipient));
    return { answers, data: null };
  }
  const waiting: Promise<Answer>[] = [];
  let data: Promise<Answer> | null = null;
  session.batch(() => {
    waiting.push(speakMail(), ...envelope.recipients.map(speakRcpt));
    if (envelope.recipients.some(({ address }) => isSpeakable(address)))
      data = session.exchange("DATA", times.dataStartMs);
  });
  const [mail, ...answers] = await Promise.all(waiting);
  const all = mail === undefined || isAccepted(mail) ? answers : answers.map(() => mail);
  return { answers: all, data: await data };
}

/**
 * Nobody was accepted. A server that says 354 all the same waits for a message for nobody: sent
 * even empty (RFC 2920 3.1), some would deliver it, so that it is left by closing.
 */
async function leaveEmpty({ session, times }: Transaction, data: Answer | null): Promise<void> {
  if (data?.kind === "reply" && data.reply.code === 354) session.fail("354 for nobody");
  else await session.exchange("RSET", times.resetMs);
}

/** After 354. Up to the dot everything can be taken back by closing; after it nothing can. */
async function sendData(
  transaction: Transaction,
  spoken: readonly RecipientFate[],
): Promise<SendOutcome> {
  const { session, times, onDot } = transaction;
  const written = await writeBody(transaction, spoken);
  if (written.kind !== "ready") return written;
  onDot();
  session.tell(Buffer.concat([...written.rest, FINAL_DOT]));
  const answer = await session.expect(times.finalMs, "the final dot");
  if (answer.kind === "reply") return toAnswered(spoken, answer.reply);
  if (answer.reply?.code === 421) return toUnsent(answer);
  return { kind: "uncertain", reason: answer.reason };
}

/** Every octet before the dot has left this process, or is the little that leaves with it. */
interface Ready {
  readonly kind: "ready";
  readonly rest: readonly Buffer[];
}

async function writeBody(
  transaction: Transaction,
  spoken: readonly RecipientFate[],
): Promise<Ready | SendOutcome> {
  const { session } = transaction;
  try {
    const rest = await writeBlocks(transaction);
    if (rest && !session.isOver) return { kind: "ready", rest };
    session.fail("the server closed the connection");
  } catch (error) {
    const reason = errorText(error);
    session.fail(reason);
    return error instanceof UnsendableOctet
      ? toAnswered(spoken, localReply(554, "5.6.11", reason))
      : { kind: "unsent", reason, reply: null };
  }
  const early = session.lost.reply;
  // Some servers refuse in the middle and close: it is their answer to the message.
  if (early && early.code >= 400 && early.code !== 421) return toAnswered(spoken, early);
  return toUnsent(session.lost);
}

/** In blocks of about BLOCK_BYTES; a small message is left to the caller. Null: a block did not leave. */
async function writeBlocks(transaction: Transaction): Promise<readonly Buffer[] | null> {
  const { session, source, times } = transaction;
  const whole = smallInMemory(source);
  if (whole) return whole;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let isSmall = true;
  const flush = () => {
    const block = Buffer.concat(waiting, waitingBytes);
    waiting = [];
    waitingBytes = 0;
    isSmall = false;
    return session.write(block, times.blockMs);
  };
  for await (const octets of toWireData(source.read())) {
    waiting.push(octets);
    waitingBytes += octets.length;
    if (waitingBytes >= BLOCK_BYTES && !(await flush())) return null;
  }
  const isLeft = isSmall && waitingBytes <= SMALL_BYTES;
  if (waitingBytes > 0 && !isLeft && !(await flush())) return null;
  return waiting;
}

/** Ready to leave with its dot; null when it is not in memory, or too large. */
function smallInMemory(source: MessageSource): readonly Buffer[] | null {
  const chunks = source.size <= SMALL_BYTES ? source.inMemory?.() : null;
  if (!chunks) return null;
  const octets = toWireOctets(chunks);
  return octets.reduce((sum, { length }) => sum + length, 0) <= SMALL_BYTES ? octets : null;
}

function isAccepted(answer: Answer): boolean {
  return answer.kind === "reply" && answer.reply.code >= 200 && answer.reply.code < 300;
}

function toUnsent({ reason, reply }: Lost): SendOutcome {
  return { kind: "unsent", reason, reply };
}

/** A 3xx where none may be is taken as temporary: nobody said yes or no. */
export function toFate(reply: RemoteReply): RecipientFate {
  if (reply.code >= 500) return { kind: "refused", reply };
  return { kind: reply.code < 300 ? "accepted" : "later", reply };
}

/** The answer to DATA or to the dot speaks for those who were accepted before. */
function toAnswered(spoken: readonly RecipientFate[], reply: RemoteReply): SendOutcome {
  const fates = spoken.map((fate) => (fate.kind === "accepted" ? toFate(reply) : fate));
  return { kind: "answered", fates };
}

function toAllRefused(envelope: Envelope, reply: RemoteReply): SendOutcome {
  return { kind: "answered", fates: envelope.recipients.map(() => ({ kind: "refused", reply })) };
}
