import { serveStore } from "../base/sqlite-thread.ts";
import { reputationStore } from "./reputation-store.ts";

serveStore(reputationStore);
