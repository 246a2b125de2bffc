import type { Authenticator } from "./authenticator.ts";
import type { ListenerRules } from "./listener-rules.ts";
import type { ReplyCode } from "./reply.ts";
import type { SessionBudget } from "./session-budget.ts";
import type { ClientFacts, DataSink } from "./session-handler.ts";
import type { OpenTransaction, SessionState } from "./session-state.ts";
import type { SmtpLimits } from "./smtp-limits.ts";

/** What commands may do with their session. */
export interface CommandContext extends SessionFacts, SessionActs {}

/** What is settled when the session begins. */
interface SessionFacts {
  readonly hostname: string;
  /** The operator's limit on a message; the hub's may be lower. */
  readonly maxBytes: number;
  /** What is asked for before MAIL. */
  readonly rules: Pick<ListenerRules, "demands" | "logon">;
  readonly client: ClientFacts;
  /** Null: this listener has no users. */
  readonly authenticator: Authenticator | null;
}

/** What the session does for them. */
interface SessionActs {
  readonly state: SessionState;
  readonly budget: SessionBudget;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
  /** Octets that have arrived behind this command. */
  unread(): number;
  /** Says several lines of a positive reply. */
  sayLines(code: ReplyCode, lines: readonly string[]): void;
  startTls(): void;
  /** Before a reply; ends early with the session. */
  delay(ms: number): Promise<void>;
  /** The sink is the session's from here on: it will be told its end. */
  startData(transaction: OpenTransaction, sink: DataSink): void;
}

export function toCommandContext(
  options: Pick<SessionFacts, "authenticator" | "client" | "rules"> & {
    readonly limits: Pick<SmtpLimits, "message">;
  },
  acts: SessionActs,
): CommandContext {
  const { authenticator, client, limits, rules } = options;
  const { hostname } = client.listener;
  return { ...acts, hostname, maxBytes: limits.message.maxBytes, rules, client, authenticator };
}
