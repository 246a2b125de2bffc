import { errorText, PolicyError, type Problem } from "../base/errors.ts";
import type { Limits } from "../policy/limits.ts";
import { strangersAmong } from "../policy/listener-limits.ts";
import { hint } from "../policy/nearest.ts";
import { wholeFile } from "../policy/problems.ts";
import { type CertificateFiles, loadCertificate } from "../smtp/certificate.ts";
import { noteCertificate } from "../smtp/inspect-certificate.ts";
import { type ListenerTlsFiles, loadAuthorities } from "../smtp/listener-tls.ts";
import { readUserFile } from "../smtp/user-file.ts";

/** Something that works and is probably not meant. */
export interface Warning {
  /** A listener, or where in a file. */
  readonly subject: string;
  readonly message: string;
}

export interface CheckedListener {
  readonly name: string;
  readonly kind: "internet" | "hub" | "partner";
  readonly hostname: string;
  readonly tls: ListenerTlsFiles;
  readonly auth?: { readonly users: string } | null;
}

export interface ListenerFindings {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
}

/** Opens the files of certificates: what cannot serve is a problem, what soon cannot a warning. */
export async function checkListener(
  { name, hostname, tls, auth }: CheckedListener,
  now: number,
): Promise<ListenerFindings> {
  const subject = `listener ${name}`;
  const pairs = [
    ...(tls.own ? [{ files: tls.own, hostname }] : []),
    ...tls.also.map((files) => ({ files, hostname: null })),
  ];
  const found = await Promise.all(
    pairs.map((pair) => checkPair(subject, pair.files, pair.hostname, now)),
  );
  const users = auth ? await checkUsers(subject, auth.users) : NOTHING_FOUND;
  const authorities = tls.clientCa === null ? [] : await checkAuthorities(tls.clientCa);
  const message = "no certificate is named, so that a self-signed one is made and shown";
  return {
    problems: [...found.flatMap(({ problems }) => problems), ...authorities, ...users.problems],
    warnings: [
      ...(tls.own ? [] : [{ subject, message }]),
      ...found.flatMap(({ warnings }) => warnings),
      ...users.warnings,
    ],
  };
}

async function checkPair(
  subject: string,
  files: CertificateFiles,
  hostname: string | null,
  now: number,
): Promise<ListenerFindings> {
  try {
    const notes = noteCertificate(await loadCertificate(files), hostname, now);
    const warnings = notes.map(({ text }) => ({ subject, message: `${files.cert}: ${text}` }));
    return { problems: [], warnings };
  } catch (error) {
    return { problems: [wholeFile(files.cert, errorText(error))], warnings: [] };
  }
}

/** Opens a file of authorities: one that cannot serve is a problem. */
export async function checkAuthorities(path: string): Promise<readonly Problem[]> {
  return loadAuthorities(path).then(
    () => [],
    (error: unknown) => [wholeFile(path, errorText(error))],
  );
}

const NOTHING_FOUND: ListenerFindings = { problems: [], warnings: [] };

async function checkUsers(subject: string, path: string): Promise<ListenerFindings> {
  try {
    const { size } = await readUserFile(path);
    const message = `${path}: it has no users, so that nobody can log on`;
    return size > 0 ? NOTHING_FOUND : { problems: [], warnings: [{ subject, message }] };
  } catch (error) {
    if (error instanceof PolicyError) return { problems: error.problems, warnings: [] };
    throw error;
  }
}

/** Limits for a listener that the settings do not have hold nowhere: they were meant for another. */
export function checkListenerNames(
  listeners: readonly CheckedListener[],
  limits: Limits,
): readonly Warning[] {
  const names = listeners.map(({ name }) => name);
  return strangersAmong(limits, names).map((name) => ({
    subject: `limits.yaml listeners.${name}`,
    message: `the settings have no such listener${hint(name, names)}`,
  }));
}
