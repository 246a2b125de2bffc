/**
 * Far over what any file system takes: 255 characters, and as many for a stream. The end is kept: it
 * holds the extension.
 */
const NAME_CHARS_MAX = 600;

const RIGHT_TO_LEFT_OVERRIDE = "\u202e";
const POP_DIRECTION = "\u202c";

/** Controls, and what is not seen: zero width, soft hyphen, bidi controls, byte order mark. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** True for a name that is drawn in another order than it is stored. */
export function hasDirectionOverride(name: string): boolean {
  return name.includes(RIGHT_TO_LEFT_OVERRIDE);
}

/**
 * The names that a file might get from one name in a message or an archive: as a reader shows it,
 * as it is stored, cut at NUL, as Windows or a C program takes it. NFC, without folder, controls,
 * trailing dots and blanks. The likeliest first; without duplicates; empty for no name at all.
 */
export function fileNameReadings(raw: string): readonly string[] {
  const name = bounded(raw);
  const cut = raw.indexOf("\0");
  // Before the name is bounded: what is left out of a long one may hold the NUL.
  const variants = [name, ...(cut >= 0 ? [bounded(raw.slice(0, cut))] : []), asDrawn(name)];
  const readings = variants
    .flatMap(normalForms)
    .flatMap((form) => windowsReadings(lastSegment(form)))
    .filter((reading) => reading !== "");
  return [...new Set(readings)];
}

/** NFKC folds look-alikes such as the full-width dot, as some file systems do. */
function normalForms(variant: string): readonly string[] {
  const visible = variant.replace(INVISIBLE, "");
  return [visible.normalize("NFC"), visible.normalize("NFKC")];
}

/** The name's extensions are in its tail; what lies between head and tail is replaced by `…`. */
function bounded(name: string): string {
  if (name.length <= NAME_CHARS_MAX) return name;
  const half = NAME_CHARS_MAX / 2;
  return `${name.slice(0, half)}…${name.slice(-half)}`;
}

/** U+202E draws what follows from right to left: `a<RLO>fdp.exe` looks like `aexe.pdf`. */
function asDrawn(name: string): string {
  const start = name.indexOf(RIGHT_TO_LEFT_OVERRIDE);
  if (start < 0) return name;
  const pop = name.indexOf(POP_DIRECTION, start);
  const end = pop < 0 ? name.length : pop;
  const turned = [...name.slice(start + 1, end)].reverse().join("");
  return name.slice(0, start) + turned + name.slice(end);
}

function lastSegment(path: string): string {
  const segments = path.split(/[/\\]/).filter((segment) => segment.trim() !== "");
  return segments.at(-1) ?? "";
}

/** `a.exe::$DATA` and `a.exe:x` open streams of `a.exe` on NTFS; `a.exe. .` is stored as `a.exe`. */
function windowsReadings(name: string): readonly string[] {
  const colon = name.indexOf(":");
  const whole = withoutTrailing(name);
  if (colon < 0) return [whole];
  const stream = withoutTrailing(name.slice(colon + 1));
  return [withoutTrailing(name.slice(0, colon)), whole, stream];
}

function withoutTrailing(name: string): string {
  let end = name.length;
  while (end > 0 && (name[end - 1] === "." || name[end - 1]?.trim() === "")) end--;
  return name.slice(0, end).trimStart();
}
