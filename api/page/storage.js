/** Web storage, or memory if the browser denies storage, for example to a page that another site embeds. */

function open(name) {
  try {
    return globalThis[name];
  } catch {
    const items = new Map();
    return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value), removeItem: (key) => items.delete(key) };
  }
}

export const localItems = open("localStorage");
export const sessionItems = open("sessionStorage");
