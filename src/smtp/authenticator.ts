import type { ClientFacts } from "./session-handler.ts";

/** Judges name and password of a client. One a listener that has users. */
export interface Authenticator {
  /** Never rejects. Early when the signal aborts. */
  logOn(attempt: LogonAttempt, signal: AbortSignal): Promise<LogonOutcome>;
}

export interface LogonAttempt {
  readonly client: Pick<ClientFacts, "ip" | "listener">;
  readonly name: string;
  readonly password: string;
}

export type LogonOutcome =
  /** `user` as the operator writes the name. */
  | { readonly kind: "accepted"; readonly user: string }
  | { readonly kind: "refused" }
  /** Too many failures came from this address; the password was not looked at. */
  | { readonly kind: "blocked" }
  /** Nobody can say now: too many ask at once, or what counts failures is away. */
  | { readonly kind: "unavailable" };

/** Failures by address, over sessions and over all processes of a gateway. */
export interface LogonFailures {
  /** This address has failed too often. Rejects when it cannot be known. */
  isBlocked(ip: string): Promise<boolean>;
  /**
   * Resolves when it is counted; rejects when it cannot be. `user`: whose password it was not, null
   * for a name that nobody has. `isGuessed`: that user has failed so often, from wherever, that
   * somebody is guessing; told once a burst.
   */
  add(ip: string, user: string | null): Promise<{ readonly isGuessed: boolean }>;
}
