# The bucket for the documents and the user as which the portal comes.
#
#   terraform init && terraform apply -var bucket=primetrade-documents
#
# This is what `primetrade storage setup` does too, with the same names and texts, so that the one finds nothing to change
# after the other. Use one of them. For a bucket that `storage setup` has made, import it first:
#   terraform import aws_s3_bucket.documents primetrade-documents
# and read the plan: nothing may be destroyed or replaced.
#
# Nothing here ever deletes an object, and neither can the portal.

locals {
  arn         = "arn:aws:s3:::${var.bucket}"
  replica     = var.replica_region == null ? {} : { (var.replica_region) = coalesce(var.replica_bucket, "${var.bucket}-replica") }
  replica_arn = { for region, name in local.replica : region => "arn:aws:s3:::${name}" }

  # In bytes. What is smaller is cheaper where it is: the first two classes bill at least 128 KB, the others 40 KB more
  # than there is.
  worthwhile = { GLACIER_IR = 24000, STANDARD_IA = 72000, GLACIER = 16000, DEEP_ARCHIVE = 16000 }
}

# ---- The bucket

resource "aws_s3_bucket" "documents" {
  bucket = var.bucket

  # The documents outlive this configuration.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "documents" {
  bucket                  = aws_s3_bucket.documents.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# ACLs are off: only policies give access.
resource "aws_s3_bucket_ownership_controls" "documents" {
  bucket = aws_s3_bucket.documents.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# The portal never overwrites an object. If somebody else does, or deletes one, the former version is still there.
resource "aws_s3_bucket_versioning" "documents" {
  bucket = aws_s3_bucket.documents.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "documents" {
  bucket = aws_s3_bucket.documents.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256" # SSE-S3
    }
  }
}

# `primetrade storage check` knows these two statements by their Sid and compares them letter by letter: change them here
# and there.
resource "aws_s3_bucket_policy" "documents" {
  bucket = aws_s3_bucket.documents.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "PrimeTradeHttpsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn, "${local.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      # Whatever a link says about its own life. REST-QUERY-STRING: only presigned links, not the portal's own requests.
      {
        Sid       = "PrimeTradeShortLinks"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource  = "${local.arn}/*"
        Condition = {
          StringEquals = { "s3:authType" = "REST-QUERY-STRING" }
          # Milliseconds since it was signed.
          NumericGreaterThan = { "s3:signatureAge" = tostring(var.link_life_seconds * 1000) }
        }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.documents]
}

# Moves, never expires.
resource "aws_s3_bucket_lifecycle_configuration" "documents" {
  count  = var.archive_after_months == null ? 0 : 1
  bucket = aws_s3_bucket.documents.id

  rule {
    id     = "primetrade-old-versions"
    status = "Enabled"
    filter {
      and {
        prefix                   = "bols/"
        object_size_greater_than = local.worthwhile[var.archive_class]
      }
    }
    noncurrent_version_transition {
      noncurrent_days = var.archive_after_months * 30
      storage_class   = var.archive_class
    }
  }

  rule {
    id     = "primetrade-old-bols"
    status = "Enabled"
    filter {
      and {
        prefix                   = "bols/"
        object_size_greater_than = local.worthwhile[var.archive_class]
      }
    }
    transition {
      days          = var.archive_after_months * 30
      storage_class = var.archive_class
    }
  }

  # Rules about old versions need versions.
  depends_on = [aws_s3_bucket_versioning.documents]
}

# ---- The portal's user

# Where the portal runs inside AWS, give its role the policy below instead: a role has no key that can be lost.
resource "aws_iam_user" "portal" {
  name = var.user
}

# The least that the portal needs: what `primetrade storage policy` prints.
resource "aws_iam_user_policy" "portal" {
  name = "primetrade-documents"
  user = aws_iam_user.portal.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      # Listing is also what makes S3 say that an object is missing, instead of refusing. The others are for
      # `storage check`, which says how the bucket is set up; none of them changes anything.
      {
        Sid    = "PrimeTradeBucket"
        Effect = "Allow"
        Action = [
          "s3:ListBucket",
          "s3:GetBucketOwnershipControls",
          "s3:GetBucketPolicy",
          "s3:GetBucketPublicAccessBlock",
          "s3:GetBucketVersioning",
          "s3:GetEncryptionConfiguration",
          "s3:GetLifecycleConfiguration",
        ]
        Resource = local.arn
      },
      {
        Sid      = "PrimeTradeDocuments"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:RestoreObject"]
        Resource = [for folder in ["bols", "inbox", "audit", "storage-check"] : "${local.arn}/${folder}/*"]
      },
      # What a check has put. No document can be deleted.
      {
        Sid      = "PrimeTradeStorageCheck"
        Effect   = "Allow"
        Action   = "s3:DeleteObject"
        Resource = "${local.arn}/storage-check/*"
      },
    ]
  })
}

# The access key is not made here: its secret would lie in the state, readable by whoever reads that. Make it with
#   aws iam create-access-key --user-name primetrade-portal
# and put both values where the portal's environment is kept. The secret is shown this once.
# To replace it: create a second key, switch the portal, then  aws iam delete-access-key --user-name … --access-key-id …

# ---- A copy in another region (var.replica_region)

# Objects that are there already when this is turned on are not copied; S3 Batch Replication does that, once.

resource "aws_s3_bucket" "replica" {
  for_each = local.replica
  provider = aws.replica
  bucket   = each.value

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "replica" {
  for_each                = aws_s3_bucket.replica
  provider                = aws.replica
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "replica" {
  for_each = aws_s3_bucket.replica
  provider = aws.replica
  bucket   = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PrimeTradeHttpsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.replica_arn[each.key], "${local.replica_arn[each.key]}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.replica]
}

resource "aws_iam_role" "replication" {
  for_each = local.replica
  name     = "${var.bucket}-replication"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # For this bucket only, not for anybody's who makes S3 ask for the role.
      Condition = { ArnLike = { "aws:SourceArn" = local.arn } }
    }]
  })
}

resource "aws_iam_role_policy" "replication" {
  for_each = local.replica
  name     = "replication"
  role     = aws_iam_role.replication[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
        Resource = local.arn
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
        Resource = "${local.arn}/*"
      },
      # Not ReplicateDelete: what is deleted here stays there.
      {
        Effect   = "Allow"
        Action   = ["s3:ReplicateObject", "s3:ReplicateTags"]
        Resource = "${local.replica_arn[each.key]}/*"
      },
    ]
  })
}

resource "aws_s3_bucket_replication_configuration" "documents" {
  for_each = local.replica
  bucket   = aws_s3_bucket.documents.id
  role     = aws_iam_role.replication[each.key].arn

  rule {
    id     = "primetrade-copy"
    status = "Enabled"
    filter {}
    delete_marker_replication {
      status = "Disabled"
    }
    destination {
      bucket = aws_s3_bucket.replica[each.key].arn
    }
  }

  # Both sides have to be versioned before.
  depends_on = [
    aws_s3_bucket_versioning.documents,
    aws_s3_bucket_versioning.replica,
    aws_iam_role_policy.replication,
  ]
}

# ---- What it costs (var.alert_email)

resource "aws_budgets_budget" "storage" {
  count        = var.alert_email == null ? 0 : 1
  name         = "${var.bucket}-s3"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.monthly_budget_usd)

  # All of S3 in this account: to count one bucket alone, its tag would have to be activated for billing first.
  cost_filter {
    name   = "Service"
    values = ["Amazon Simple Storage Service"]
  }

  # Once it is spent, and once it looks as if it will be.
  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "ACTUAL"
    subscriber_email_addresses = [var.alert_email]
  }
  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = [var.alert_email]
  }
}
