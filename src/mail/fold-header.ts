/** RFC 5322 2.1.1: a line should stay within 78 characters and must within 998, CRLF not counted. */
const LINE_CHARS_WANTED = 78;
const LINE_CHARS_MAX = 998;

const NAME = /^[!-9;-~]{1,76}$/;
const VALUE = /^[\t -~]*$/;

/**
 * `Name: value` CRLF, folded at blanks. Throws TypeError on a name or a value that is not plain
 * ASCII on one line: CR, LF and NUL would let whoever gave the text write header fields of his own.
 */
export function foldHeader(name: string, value: string): string {
  if (!NAME.test(name)) throw new TypeError(`not a header field name: ${JSON.stringify(name)}`);
  if (!VALUE.test(value)) throw new TypeError(`not a value for ${name}: ${JSON.stringify(value)}`);
  const whole = `${name}: ${value}`;
  if (whole.length <= LINE_CHARS_WANTED) return `${whole}\r\n`;
  const lines: string[] = [];
  let line = `${name}:`;
  for (const word of wordsOf(` ${value}`)) {
    if (line.length + word.length <= LINE_CHARS_WANTED || isBlank(line)) {
      line += word;
    } else {
      lines.push(line);
      line = word;
    }
    while (line.length > LINE_CHARS_MAX) {
      lines.push(line.slice(0, LINE_CHARS_MAX));
      line = ` ${line.slice(LINE_CHARS_MAX)}`;
    }
  }
  // A line of blanks alone is obsolete folding (RFC 5322 4.2) and ends the header for some readers.
  if (!isBlank(line)) lines.push(line);
  return `${lines.join("\r\n")}\r\n`;
}

/** Each word with the blanks before it. */
function wordsOf(value: string): readonly string[] {
  return value.match(/[\t ]+[^\t ]*/g) ?? [];
}

function isBlank(line: string): boolean {
  return /^[\t ]*$/.test(line);
}
