// The floor for memory and size: a program that does nothing but stay.
setInterval(() => {}, 2 ** 30);
