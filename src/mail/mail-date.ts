/** The date-time of RFC 5322 3.3, in UTC, of milliseconds since the epoch. */
export function toMailDate(ms: number): string {
  return new Date(ms).toUTCString().replace("GMT", "+0000");
}
