"""From a file on disk to a result on disk: pipeline, command line, files, pictures."""
