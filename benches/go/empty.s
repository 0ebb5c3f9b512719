// A package that has a file like this one may declare functions without a body.
