export type ReplyCode =
  | 214
  | 220
  | 221
  | 235
  | 250
  | 252
  | 334
  | 354
  | 421
  | 450
  | 451
  | 452
  | 454
  | 455
  | 500
  | 501
  | 502
  | 503
  | 504
  | 521
  | 523
  | 530
  | 535
  | 538
  | 550
  | 551
  | 552
  | 553
  | 554
  | 555
  | 556;

/**
 * One SMTP reply. The enhanced code is stored without its class (RFC 3463): the class is the first
 * digit of the basic code, so `451 5.x` cannot be written.
 */
export interface Reply {
  readonly code: ReplyCode;
  /** subject.detail such as "7.1"; null where RFC 2034 wants none (greeting, EHLO, 354). */
  readonly status: `${number}.${number}` | null;
  readonly text: string;
  /** The connection ends after this reply. */
  readonly close?: boolean;
}

/** RFC 5321 4.5.3.1.5, with code and CRLF. */
export const MAX_REPLY_LINE = 512;

/** `550 5.7.1 text`, one line without CRLF: ASCII, no controls, cut to fit MAX_REPLY_LINE. */
export function formatReply(reply: Reply): string {
  const enhanced = statusOf(reply);
  const head = enhanced === null ? `${reply.code} ` : `${reply.code} ${enhanced} `;
  const text = reply.text.replace(/[^\x20-\x7e]/g, "?");
  return (head + text).slice(0, MAX_REPLY_LINE - 2);
}

/** The whole enhanced code, "5.7.1", or null. */
export function statusOf(reply: Reply): string | null {
  return reply.status === null ? null : `${Math.floor(reply.code / 100)}.${reply.status}`;
}

/** Of the session, and counted against it (error-policy.ts). */
export function isError({ code }: Reply): boolean {
  return code >= 500;
}

export function isPositive(reply: Reply): boolean {
  return reply.code < 400;
}
