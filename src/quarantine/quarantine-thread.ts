import { serveStore } from "../base/sqlite-thread.ts";
import { store } from "./quarantine-store.ts";

serveStore(store);
