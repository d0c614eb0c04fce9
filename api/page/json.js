/** JSON without rounding: numbers that JavaScript cannot hold exactly stay text. */

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

export const parseExactly = (text) =>
  JSON.parse(text.replace(TOKEN, (token) => (token[0] === '"' || String(Number(token)) === token ? token : `"${token}"`)));
