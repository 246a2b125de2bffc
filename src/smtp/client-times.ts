/** How long we wait for the other side. Milliseconds; RFC 5321 4.5.3.2 unless said otherwise. */
export interface ClientTimes {
  /** TCP, all addresses of the host together (behaviour.md). */
  readonly connectMs: number;
  /** The 220; RFC 5321 asks for five minutes, an internal hub gets less. */
  readonly greetingMs: number;
  /** Greeting, EHLO, STARTTLS, handshake and second EHLO together: nothing may trickle for ever. */
  readonly sessionMs: number;
  /** Each step of AUTH; RFC 4954 has no number of its own. */
  readonly authMs: number;
  readonly mailMs: number;
  readonly rcptMs: number;
  readonly dataStartMs: number;
  /** One block of 64 KiB until it has left this process. */
  readonly blockMs: number;
  /** From the final dot to the answer. Shorter would mean duplicates (RFC 1047). */
  readonly finalMs: number;
  readonly resetMs: number;
  readonly quitMs: number;
}

export const CLIENT_TIMES: ClientTimes = {
  connectMs: 30_000,
  greetingMs: 60_000,
  sessionMs: 120_000,
  authMs: 60_000,
  mailMs: 300_000,
  rcptMs: 300_000,
  dataStartMs: 120_000,
  blockMs: 180_000,
  finalMs: 600_000,
  resetMs: 30_000,
  quitMs: 5_000,
};
