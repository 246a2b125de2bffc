import { parseDuration } from "../policy/duration.ts";

/**
 * Milliseconds since the epoch of `90s`, `30m`, `12h`, `7d`, `2w` ago, or of a date such as
 * `2026-01-31` or `2026-01-31T08:00:00Z`. Null for anything else.
 */
export function parseSince(text: string, now: number): number | null {
  const ago = parseDuration(text);
  if (ago !== null) return now - ago;
  if (!/^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2})?)?$/.test(text.trim())) return null;
  const at = Date.parse(text.trim());
  return Number.isNaN(at) ? null : at;
}

/** `2026-01-31 08:00:00`, in UTC as all our records are. */
export function formatTime(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  return date.toISOString().slice(0, 19).replace("T", " ");
}

/** `0.4 ms`, `350 ms`, `12.5 s`, `3 min`. */
export function formatSpan(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 120_000 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 60_000)} min`;
}

/** `812 B`, `1.5 KiB`, `25 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Math.round((bytes / 1024 ** step) * 10) / 10} ${units[step]}`;
}
