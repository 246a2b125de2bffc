import { type SigningKey, toKeyRecord } from "./signing-key.ts";

/** What is to be published of a key, in the forms that people need. */
export interface RecordText {
  /** `selector._domainkey.domain` */
  readonly name: string;
  /** One text, for forms in the web. */
  readonly value: string;
  /** RFC 1035 3.3.14: no string of a TXT record has more than 255 octets. */
  readonly strings: readonly string[];
  /** Lines of a zone file. */
  readonly zone: readonly string[];
}

const STRING_OCTETS = 255;

export function toRecordText(key: SigningKey): RecordText {
  const name = `${key.selector}._domainkey.${key.domain}`;
  const value = toKeyRecord(key);
  const strings = value.match(new RegExp(`.{1,${STRING_OCTETS}}`, "g")) ?? [];
  const [first, ...rest] = strings.map((text) => `"${text}"`);
  const zone =
    rest.length === 0
      ? [`${name}. IN TXT ${first}`]
      : [`${name}. IN TXT ( ${first}`, ...rest.map((text) => `    ${text}`)].map((line, i, all) =>
          i === all.length - 1 ? `${line} )` : line,
        );
  return { name, value, strings, zone };
}
