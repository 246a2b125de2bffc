import type { Authenticator } from "./authenticator.ts";
import type { LogonDemand } from "./logon-demand.ts";
import type { ReplyCode } from "./reply.ts";
import type { SessionBudget } from "./session-budget.ts";
import type { ClientFacts, DataSink } from "./session-handler.ts";
import type { OpenTransaction, SessionState } from "./session-state.ts";
import type { TlsDemands } from "./tls-demands.ts";

/** What commands may do with their session. */
export interface CommandContext {
  readonly state: SessionState;
  readonly budget: SessionBudget;
  readonly hostname: string;
  /** The operator's limit on a message; the hub's may be lower. */
  readonly maxBytes: number;
  /** Of TLS, before MAIL. */
  readonly demands: TlsDemands;
  readonly logon: LogonDemand;
  readonly client: ClientFacts;
  /** Null: this listener has no users. */
  readonly authenticator: Authenticator | null;
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
