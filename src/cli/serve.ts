import { errorText, formatProblem, PolicyError } from "../base/errors.ts";
import { createLog, type Log } from "../base/log.ts";
import { logBugs } from "../base/log-bugs.ts";
import { type Gateway, startGateway } from "../compose.ts";
import { loadSettings } from "../settings.ts";
import { type CliContext, EXIT } from "./cli-context.ts";

/** Within the time that an init system or a container engine waits before it kills. */
const DRAIN_MS = 25_000;

/** Runs until SIGTERM or SIGINT; SIGHUP reads policies and certificates again. */
export async function serveCommand(context: CliContext): Promise<number> {
  const { env, cwd, settingsFile } = context;
  try {
    const settings = await loadSettings({ env, cwd, file: settingsFile });
    const log = createLog(settings.log);
    logBugs(log);
    // Before the start: a signal that comes meanwhile must not end us in the middle of it.
    const signals = heedSignals();
    const gateway = await startGateway(settings, log);
    signals.onReload(() => reload(gateway, log));
    await signals.stopped;
    signals.onReload(() => {});
    await gateway.stop(DRAIN_MS);
    return EXIT.ok;
  } catch (error) {
    const lines =
      error instanceof PolicyError ? error.problems.map(formatProblem) : [errorText(error)];
    for (const line of lines) context.err(line);
    return EXIT.usage;
  }
}

interface Signals {
  /** Resolves with the first SIGTERM or SIGINT. */
  readonly stopped: Promise<void>;
  /** What SIGHUP does from here on; until then, nothing: the files are being read anyway. */
  onReload(act: () => void): void;
}

function heedSignals(): Signals {
  const { promise, resolve } = Promise.withResolvers<void>();
  let reloads = () => {};
  process.on("SIGHUP", () => reloads());
  process.once("SIGTERM", () => resolve());
  process.once("SIGINT", () => resolve());
  return {
    stopped: promise,
    onReload(act) {
      reloads = act;
    },
  };
}

function reload(gateway: Gateway, log: Log): void {
  // The holder has logged what is wrong; the old policy stays.
  gateway.reloadPolicy().catch((error: unknown) => {
    log.warn("reload-refused", { error: errorText(error) });
  });
  void gateway.reloadCertificates();
}
