import type { SmtpLimits } from "../../src/smtp/smtp-limits.ts";

/** A command line without its CRLF, as latin1 octets, and what it is. */
export interface ModelLine {
  readonly octets: string;
  readonly kind: LineKind;
}

export type LineKind =
  | "hello"
  | "bad-hello"
  | "mail"
  | "mail-utf8"
  | "refused-mail"
  | "too-large-mail"
  | "bad-mail"
  | "any-mail"
  | "rcpt"
  | "rcpt-utf8"
  | "refused-rcpt"
  | "bad-rcpt"
  | "any-rcpt"
  | "data"
  | "bad-argument"
  /** The same for a command that moves no mail. */
  | "bad-idle"
  | "rset"
  | "noop"
  | "help"
  | "vrfy"
  | "not-offered"
  | "bdat"
  | "starttls"
  | "quit"
  /** Whatever else: no verb that we know. */
  | "unknown";

/** The codes that would be right, and whether the session ends with them. */
export interface Expected {
  readonly codes: readonly number[];
  readonly closes: boolean;
}

interface Transaction {
  readonly utf8: boolean;
  accepted: number;
}

const IDLE: ReadonlySet<LineKind> = new Set([
  ...(["hello", "bad-hello", "rset", "noop", "help", "vrfy", "not-offered", "starttls"] as const),
  ...(["bad-idle", "unknown"] as const),
]);
const ALWAYS: Readonly<Partial<Record<LineKind, readonly number[]>>> = {
  hello: [250],
  "bad-hello": [501],
  "bad-argument": [501],
  "bad-idle": [501],
  rset: [250],
  noop: [250],
  help: [214],
  vrfy: [252],
  "not-offered": [502],
  unknown: [500],
};
/** Opening one, for whose arguments anything may be said. */
const ANY_MAIL = [250, 501, 552, 553, 555];
const ANY_RCPT = [250, 501, 550, 553, 555];

/** What a session must answer, told apart from how src/smtp does it. */
export class SessionModel {
  readonly #limits: SmtpLimits["session"];
  #first = true;
  #greeted = false;
  #secure = false;
  #transaction: Transaction | null = null;
  #errors = 0;
  #idle = 0;
  #transactions = 0;

  constructor(limits: SmtpLimits["session"]) {
    this.#limits = limits;
  }

  /** Counts the line. `learn` must follow. */
  expect(line: ModelLine): Expected {
    const before = this.#beforeErrors(line);
    if (before.codes.every((code) => code < 500)) return before;
    if (this.#errors < this.#limits.errorsHard) return before;
    return { ...before, codes: before.codes.map((code) => (code >= 500 ? 421 : code)) };
  }

  /** What was answered. */
  learn(line: ModelLine, code: number): void {
    if (code >= 500) this.#errors += 1;
    if (code !== 250) return;
    const { kind } = line;
    if (kind === "hello") this.#greeted = true;
    if (kind === "hello" || kind === "rset") this.#transaction = null;
    if (kind.endsWith("rcpt") || kind === "rcpt-utf8") {
      if (this.#transaction) this.#transaction.accepted += 1;
    } else if (kind.includes("mail")) {
      const utf8 = / SMTPUTF8/i.test(line.octets);
      this.#transaction = { utf8, accepted: 0 };
      if (kind === "any-mail") this.#transactions += 1;
    }
  }

  /** After 354: the transaction is over, whatever becomes of its data. */
  learnData(code: number): void {
    this.#transaction = null;
    if (code >= 500) this.#errors += 1;
    else this.#idle = 0;
  }

  /** 550 for what no message may hold. */
  expectData(isFaulty: boolean): readonly number[] {
    if (!isFaulty) return [250];
    return [this.#errors < this.#limits.errorsHard ? 550 : 421];
  }

  /** STARTTLS was answered 220 and the handshake is done. */
  secured(): void {
    this.#secure = true;
    this.#greeted = false;
    this.#transaction = null;
  }

  #beforeErrors({ octets, kind }: ModelLine): Expected {
    if (/[\r\n]/.test(octets)) return { codes: [500], closes: true };
    if (!/^(?:[A-Za-z ]|$)/.test(octets)) return { codes: [500], closes: true };
    if (octets.length + 2 > this.#limits.commandBytes) return { codes: [500], closes: false };
    const isFirst = this.#first;
    this.#first = false;
    const text = toText(octets);
    const isEmpty = text === null || /^ *$/.test(text) || text.startsWith(" ");
    if (isFirst && isEmpty) return { codes: [500], closes: true };
    if (text !== null && /^(GET|POST) /.test(text)) return { codes: [500], closes: true };
    if (text === null) return { codes: [500], closes: false };
    if (IDLE.has(kind)) {
      this.#idle += 1;
      if (this.#idle > this.#limits.idleCommands) return { codes: [421], closes: true };
    }
    const closes = kind === "quit" || kind === "bdat";
    return { codes: ALWAYS[kind] ?? this.#inOrder(kind, text), closes };
  }

  #inOrder(kind: LineKind, text: string): readonly number[] {
    if (kind === "quit") return [221];
    if (kind === "bdat") return [502];
    if (kind === "starttls") return [this.#secure ? 503 : 220];
    if (kind.includes("mail")) return this.#mailCodes(kind);
    const transaction = this.#transaction;
    if (transaction === null) return [503];
    if (kind === "data") return [transaction.accepted === 0 ? 554 : 354];
    return rcptCodes(kind, transaction.utf8 || !/[^\x00-\x7f]/.test(text));
  }

  #mailCodes(kind: LineKind): readonly number[] {
    if (!this.#greeted || this.#transaction !== null) return [503];
    if (kind === "bad-mail") return [501];
    if (kind === "too-large-mail") return [552];
    const isLast = this.#transactions >= this.#limits.transactions;
    if (kind === "any-mail") {
      // A counted transaction too much: what is refused before is not counted.
      return isLast ? [421, ...ANY_MAIL.slice(1)] : ANY_MAIL;
    }
    if (isLast) return [421];
    this.#transactions += 1;
    return [kind === "refused-mail" ? 550 : 250];
  }
}

function rcptCodes(kind: LineKind, mayBeSpoken: boolean): readonly number[] {
  if (kind === "any-rcpt") return ANY_RCPT;
  if (kind === "bad-rcpt") return [501, 555];
  if (kind === "refused-rcpt") return [550];
  return [mayBeSpoken ? 250 : 553];
}

/** Null for what is no text: controls, or not UTF-8. */
function toText(octets: string): string | null {
  const text = Buffer.from(octets, "latin1").toString("utf8");
  const isUtf8 = Buffer.from(text).toString("latin1") === octets;
  return isUtf8 && !/[\x00-\x1f\x7f]/.test(text) ? text : null;
}
