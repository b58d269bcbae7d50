// The shelf in IndexedDB: photos lie here over reloads, closed tabs and flat batteries until they have arrived.
//
// items: what is known of each photo, small, written often. photos: its bytes, written once. thumbs: a small picture of
// it. settings: single values. The bytes lie apart so that progress never writes them again.

const NAME = "capture";
const VERSION = 1;
const SHELVES = ["items", "photos", "thumbs", "settings"];
// Until the disk has it, not only the operating system: a phone may die the moment after the shutter.
const SAFE = { durability: "strict" };
let opened = null;

/** The database; raises when this browser keeps nothing, as some private windows do. */
export function open() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, VERSION);
    asked.onupgradeneeded = () => {
      for (const shelf of SHELVES) asked.result.createObjectStore(shelf);
    };
    asked.onsuccess = () => {
      asked.result.onversionchange = () => { asked.result.close(); opened = null; }; // a newer page wants another shape
      resolve(asked.result);
    };
    asked.onerror = () => reject(asked.error);
  });
  opened.catch(() => { opened = null; });
  return opened;
}

/** Run `work` over these shelves in one transaction; what it returns (a request's result, once it has one) when it is kept. */
async function within(shelves, mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(shelves, mode, mode === "readwrite" ? SAFE : undefined);
    const answer = work(...shelves.map((shelf) => transaction.objectStore(shelf)));
    transaction.oncomplete = () => resolve(answer instanceof IDBRequest ? answer.result : answer?.value);
    transaction.onabort = () => reject(transaction.error);
    transaction.onerror = () => {}; // onabort tells
  });
}

/** All items, oldest first. */
export async function items() {
  const found = await within(["items"], "readonly", (shelf) => shelf.getAll());
  return found.sort((a, b) => a.added - b.added || a.place - b.place);
}

/** One item, or undefined. */
export const item = (id) => within(["items"], "readonly", (shelf) => shelf.get(id));

/** Keep a new item and its bytes: both or neither. */
export const add = (made, photo) => within(["items", "photos"], "readwrite", (items, photos) => {
  items.put(made, made.id);
  photos.put(photo, made.id);
});

/**
 * Change an item: `changes` is an object, or is made from the item as it is now (null: no change). Nobody comes between.
 * Returns the item as it is then, or undefined when it is gone.
 */
export const change = (id, changes) => within(["items"], "readwrite", (shelf) => {
  const answer = {};
  shelf.get(id).onsuccess = ({ target: { result: now } }) => {
    const wanted = now && (typeof changes === "function" ? changes(now) : changes);
    answer.value = wanted ? { ...now, ...wanted } : now;
    if (wanted) shelf.put(answer.value, id);
  };
  return answer;
});

/**
 * Write down what an item's bytes are; false, and nothing is written, when another one that `counts` has the same. Of two
 * that are chosen at once the first stays.
 */
export const claim = (id, sha256, counts) => within(["items"], "readwrite", (shelf) => {
  const answer = {};
  shelf.getAll().onsuccess = ({ target: { result: all } }) => {
    const mine = all.find((each) => each.id === id);
    answer.value = !all.some((each) => each.id !== id && each.sha256 === sha256 && counts(each));
    if (mine && answer.value) shelf.put({ ...mine, sha256 }, id);
  };
  return answer;
});

/** Take an item off, with all that belongs to it. */
export const remove = (id) => within(["items", "photos", "thumbs"], "readwrite", (...shelves) => {
  for (const shelf of shelves) shelf.delete(id);
});

/** The bytes of an item's photo, or undefined when they have arrived. */
export const photo = (id) => within(["photos"], "readonly", (shelf) => shelf.get(id));
/** Let go of the bytes: the service has them on its disk. */
export const dropPhoto = (id) => within(["photos"], "readwrite", (shelf) => { shelf.delete(id); });

export const thumb = (id) => within(["thumbs"], "readonly", (shelf) => shelf.get(id));
/** Keep a small picture, unless the item is gone meanwhile. */
export const keepThumb = (id, picture) => within(["items", "thumbs"], "readwrite", (items, thumbs) => {
  items.get(id).onsuccess = ({ target: { result } }) => { if (result) thumbs.put(picture, id); };
});

export const setting = (name) => within(["settings"], "readonly", (shelf) => shelf.get(name));
/** Keep a single value; undefined takes it away. */
export const keep = (name, value) => within(["settings"], "readwrite", (shelf) => {
  if (value === undefined) shelf.delete(name);
  else shelf.put(value, name);
});
/** Make a new value of the one that is kept, with nobody between; undefined when there is none. */
export const alter = (name, make) => within(["settings"], "readwrite", (shelf) => {
  const answer = {};
  shelf.get(name).onsuccess = ({ target: { result: now } }) => {
    answer.value = make(now);
    if (answer.value) shelf.put(answer.value, name);
  };
  return answer;
});
