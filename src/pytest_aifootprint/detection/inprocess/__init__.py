"""One file per framework that runs models inside this process."""
